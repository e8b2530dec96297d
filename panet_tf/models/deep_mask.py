"""DeepMask: mask proposals by a network that slides over an image, and the function that puts it together."""

import gin
import keras
import tensorflow as tf

from panet_tf.backbones.resnet import resnet
from panet_tf.heads.mask_proposal import MaskProposalHead
from panet_tf.losses.soft_margin import soft_margin_loss
from panet_tf.models.detector import Detector
from panet_tf.models.detector_inputs import complete_inputs
from panet_tf.models.proposal_windows import WindowGrid, proposal_scales
from panet_tf.ops import boxes as box_ops
from panet_tf.ops.best_windows import best_windows
from panet_tf.ops.proposal_masks import masks_in_boxes
from panet_tf.ops.resampling import resize_masks

LOSSES = ("mask_loss", "score_loss")
PATCH_TARGETS = ("patch_masks", "mask_weights", "score_labels", "score_weights")
OBJECT = ({"id": 1, "name": "object"},)
GREY = (0.0655, 0.1965, 0.4178)  # 127.5 less ImageNet's means, over its standard deviations


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class DeepMask(Detector):
    """Class-agnostic mask proposals: for each window of an image a mask and a score (Lin's thesis, chapter 3).

    Trained on patches (`panet_tf.data.MaskPatches`): the mask of the object that fills a patch and is centred in it,
    and whether there is one. Run on whole images at several scales: the network slides over each; of all windows of all
    scales the `max_proposals` best are decoded. There is no suppression.

    Args:
        categories: sequence of dicts with `"id"` and `"name"`, of the data; proposals have class 1, whatever it is.
        backbone: model from images to a dict of levels; the head takes `level`.
        mask_head: layer with `encode` and `decode`, as `MaskProposalHead`, for windows of input_size / stride cells.
        input_size: int W, pixels a side of a window. Defaults to 160.
        context: int, pixels on each side of a patch beyond the window. Defaults to 16: patches of 192.
        level: name of the level that the head takes, which tells the stride. Defaults to `"C4"`: 16.
        scales: floats, factors on images. Defaults to `proposal_scales()`. May be set later: inference only.
        max_proposals: int, per image. Defaults to 1000.
        binarize_at: float, probability above which a pixel belongs to a mask. Defaults to 0.2. Masks leave shifted:
            what was this is 0.5, where everything downstream cuts.
        output_size: int, cells a side of the masks that leave. Defaults to 112.
        grey: three numbers, what surrounds an image, in the normalised images' terms. Defaults to 127.5 under
            ImageNet's mean and standard deviation.
        **kwargs: `loss_weights` (by default 1 / 32 for the score), `seed`, `preprocessing`, `name` and `dtype` of
            `Detector`.

    Inputs: of images the detectors' (`images` (B, H, W, 3), `image_sizes` ...); of patches `images` (B, P, P, 3),
    P = input_size + 2 context, `patch_masks` (B, m, m), `mask_weights`, `score_labels`, `score_weights` (B,).

    Returns (of `call` and `predict` on images): dict of `boxes` float32 (B, D, 4), yxyx in original pixels, around each
    mask and what its grid needs (exact boxes come with pasting, `boxes_are_frames`), `scores` (B, D), sorted, in
    (0, 1), `classes` int32 (B, D), 1, or 0 in empty slots, `masks` float32 (B, D, output_size, output_size), and
    `num_detections` int32 (B,); `image_ids` and `original_sizes` pass through.

    Raises:
        ValueError: if window, context and stride do not fit, or patches lack a target.

    Example:
        >>> model = panet_tf.models.deep_mask()
        >>> model.compile(optimizer=panet_tf.training.SGD(learning_rate=0.03))
        >>> model.fit(MaskPatches(source=source, batch_size=32).dataset(), steps_per_epoch=1000)
        >>> proposals = model.predict(eval_data.dataset())
    """

    parts = ("backbone", "mask_head")
    boxes_are_frames = True  # evaluators take boxes around the pasted masks

    def __init__(
        self,
        *,
        categories=OBJECT,
        backbone,
        mask_head,
        input_size=160,
        context=16,
        level="C4",
        scales=None,
        max_proposals=1000,
        binarize_at=0.2,
        output_size=112,
        grey=GREY,
        loss_weights=None,
        **kwargs,
    ):
        loss_weights = {"score_loss": 1 / 32} if loss_weights is None else loss_weights
        super().__init__(categories=categories, loss_names=LOSSES, loss_weights=loss_weights, **kwargs)
        if level not in backbone.output:
            raise ValueError(f"level must be one of the backbone's {tuple(backbone.output)}, received {level!r}.")
        if not 0.0 < binarize_at < 1.0:
            raise ValueError(f"binarize_at must be a probability, received {binarize_at}.")
        self.backbone = backbone
        self.mask_head = mask_head
        self.input_size, self.context, self.level = int(input_size), int(context), level
        self.scales = proposal_scales() if scales is None else scales
        self.max_proposals = int(max_proposals)
        self.binarize_at, self.output_size = float(binarize_at), int(output_size)
        self.grey = tuple(float(value) for value in grey)
        self.grid = WindowGrid(self.input_size, self.context, 2 ** int(level[1:]))
        kernel = getattr(mask_head, "kernel_size", self.grid.size)
        if kernel != self.grid.size:
            raise ValueError(f"a window has {self.grid.size} cells a side, received a head for {kernel}.")
        # Creates every weight now, so that saving never meets a half-built model.
        self.mask_head(keras.KerasTensor((None, *(self.grid.size,) * 2, backbone.output[level].shape[-1])))
        self.built = True

    @property
    def scales(self):
        """Factors on images. A predictor made before they are set keeps the earlier ones."""
        return self._scales

    @scales.setter
    def scales(self, scales):
        self._scales = tuple(float(scale) for scale in scales)
        self.predict_function = self.test_function = None  # what Keras has traced keeps the scales of before

    @property
    def max_detections(self):
        """Proposals per image, at most."""
        return self.max_proposals

    @property
    def patch_size(self):
        """Pixels a side of a training patch."""
        return self.input_size + 2 * self.context

    def build(self, input_shape=None):
        """Nothing to do: the parts are built with the model."""

    def call(self, inputs, training=False):
        if isinstance(inputs, dict) and any(key in inputs for key in PATCH_TARGETS):
            return {"losses": self._patch_losses(inputs, training)}
        return self._proposals(complete_inputs(inputs))

    # Patches.

    def patch_outputs(self, images, training=False):
        """What the network says of patches.

        Args:
            images: float (B, patch_size, patch_size, 3), normalised.
            training: bool.

        Returns:
            Pair of mask logits, float (B, m, m), over the window in the middle, and score logits, float32 (B,).
        """
        levels = self._levels(images, training)
        encodings, scores = self._encode(levels, training)
        return self.mask_head.decode(encodings[:, 0, 0]), scores[:, 0, 0]

    def _levels(self, images, training=False):
        return self.backbone(tf.cast(images, self.compute_dtype), training=training)

    def _encode(self, levels, training=False):
        crop, features = self.grid.crop, levels[self.level]
        if crop:
            features = features[:, crop:-crop, crop:-crop]
        return self.mask_head.encode(features, training=training)

    def _patch_losses(self, inputs, training):
        missing = [key for key in PATCH_TARGETS if key not in inputs]
        if missing:
            raise ValueError(f"patches need {PATCH_TARGETS} in the inputs, missing {missing}.")
        side = inputs["images"].shape[1]
        if side != self.patch_size:
            raise ValueError(f"patches must have {self.patch_size} pixels a side, received {side}.")
        logits, scores = self.patch_outputs(inputs["images"], training=training)
        logits = resize_masks(tf.cast(logits, tf.float32), inputs["patch_masks"].shape[-1])
        return {
            "mask_loss": soft_margin_loss(logits, inputs["patch_masks"], inputs["mask_weights"]),
            "score_loss": soft_margin_loss(scores, inputs["score_labels"], inputs["score_weights"]),
        }

    # Images.

    def windows(self, inputs):
        """Every window of every scale of whole images.

        Args:
            inputs: complete inputs.

        Returns:
            dict of `scores` float32 (B, L), logits, minus infinity where a window's centre lies outside of its image;
            `encodings` (B, L, rank); `frames` float32 (L, 4), in pixels of the network's images; and `shared`, what
            `mask_logits` takes beside.
        """
        images = self._surrounded(inputs)
        scores, encodings, frames, pictures = [], [], [], []
        for scale in self.scales:
            levels = self._levels(self.grid.picture(images, scale, self.grey))
            vectors, score = self._encode(levels)
            rows, columns = _sides(score)
            frames.append(self.grid.frames(rows, columns, scale))
            scores.append(tf.reshape(score, (tf.shape(score)[0], -1)))
            encodings.append(tf.reshape(vectors, (tf.shape(score)[0], -1, vectors.shape[-1])))
            pictures.append({"rows": rows, "columns": columns, "levels": levels})
        frames = tf.concat(frames, axis=0)
        centres = 0.5 * (frames[:, :2] + frames[:, 2:])
        inside = tf.reduce_all((centres >= 0.0) & (centres <= inputs["image_sizes"][:, None]), axis=-1)
        return {
            "scores": tf.where(inside, tf.concat(scores, axis=1), -float("inf")),
            "encodings": tf.concat(encodings, axis=1),
            "frames": frames,
            "shared": self._shared(pictures),
        }

    def mask_logits(self, windows, indices):
        """Masks of some windows.

        Args:
            windows: dict of `windows`.
            indices: int32 (B, N), into L.

        Returns:
            float (B, N, g, g), logits over each window.
        """
        return self.mask_head.decode(tf.gather(windows["encodings"], indices, batch_dims=1))

    def masks_of(self, windows, indices, inputs):
        """Masks of some windows in the original image.

        Args:
            windows: dict of `windows`.
            indices: int32 (B, N), into L.
            inputs: complete inputs.

        Returns:
            dict of `masks_in_boxes`, boxes in original pixels.
        """
        logits = self.mask_logits(windows, indices)
        frames = box_ops.to_original(tf.gather(windows["frames"], indices), inputs["scales"], inputs["offsets"])
        return masks_in_boxes(logits, frames, threshold=self.binarize_at, size=self.output_size)

    def _shared(self, pictures):
        """What all windows have in common beside their scores, of each scale's levels; nothing in DeepMask."""
        return ()

    def _surrounded(self, inputs):
        """The images with grey in place of what fills up their canvas."""
        images, sizes = tf.cast(inputs["images"], tf.float32), inputs["image_sizes"]
        inside = [
            tf.cast(tf.range(tf.shape(images)[axis + 1]), tf.float32)[None] < sizes[:, axis, None] for axis in (0, 1)
        ]
        return tf.where((inside[0][:, :, None] & inside[1][:, None])[..., None], images, tf.constant(self.grey))

    def _proposals(self, inputs):
        windows = self.windows(inputs)
        scores, indices = best_windows(windows["scores"], self.max_proposals)
        masks = self.masks_of(windows, indices, inputs)
        valid = masks["found"] & tf.math.is_finite(scores) & (inputs["image_ids"] >= 0)[:, None]
        # Windows without a mask go to the end, so that the first are the valid ones.
        order = tf.argsort(tf.cast(valid, tf.int32), axis=1, direction="DESCENDING", stable=True)
        kept = {
            "boxes": masks["boxes"],
            "scores": tf.sigmoid(scores),
            "classes": tf.ones_like(indices),
            "masks": masks["masks"],
        }
        kept = {key: tf.gather(_where(valid, value), order, batch_dims=1) for key, value in kept.items()}
        number = tf.reduce_sum(tf.cast(valid, tf.int32), axis=1)
        return kept | {"num_detections": number} | {key: inputs[key] for key in ("image_ids", "original_sizes")}

    def get_config(self):
        config = super().get_config()
        names = ("input_size", "context", "level", "scales", "max_proposals", "binarize_at", "output_size", "grey")
        config |= {name: getattr(self, name) for name in names}
        return config | {part: keras.saving.serialize_keras_object(getattr(self, part)) for part in self.parts}


@gin.register(module="panet_tf")
def deep_mask(
    *,
    categories=OBJECT,
    backbone=None,
    mask_head=None,
    input_size=160,
    level="C4",
    channels=128,
    variant="c",
    **kwargs,
):
    """DeepMask as the thesis has it ("DeepMask-ours"): ResNet-50 through conv4, windows of 160 pixels, head C.

    The models of Table 3.1 are its arguments: W is `input_size`; P, and with it S = W / 2^P, the `level` where the
    trunk ends; D the backbone and its level; F `channels`.

    Args:
        categories: as in `DeepMask`.
        backbone: model from images to levels. Defaults to a ResNet-50 to C4 with frozen batch norm and symmetric
            padding; it gives C1 to C3 too, so that SharpMask can go on from its weights.
        mask_head: layer in place of the default `MaskProposalHead`.
        input_size, level: as in `DeepMask`. Default to 160 and `"C4"`.
        channels, variant: of the default head. Default to 128 and `"c"`.
        **kwargs: of `DeepMask`.

    Returns:
        `DeepMask`, built.

    Example:
        >>> model = deep_mask(backbone=vgg("A", padding="symmetric"), channels=512)  # W160-P4-D8-VGG
    """
    parts = forward_parts(backbone, mask_head, input_size=input_size, level=level, channels=channels, variant=variant)
    return DeepMask(categories=categories, input_size=input_size, level=level, **parts, **kwargs)


def forward_parts(backbone, mask_head, *, input_size, level, channels, variant):
    """Trunk and head of the forward path, the default ones where none are given.

    Args:
        backbone, mask_head, input_size, level, channels, variant: as in `deep_mask`.

    Returns:
        dict of `backbone` and `mask_head`.
    """
    return {
        "backbone": backbone or resnet(50, norm="frozen_bn", padding="symmetric", outputs=("C1", "C2", "C3", "C4")),
        "mask_head": mask_head
        or MaskProposalHead(kernel_size=input_size // 2 ** int(level[1:]), channels=channels, variant=variant),
    }


def _sides(maps):
    shape = tf.shape(maps)
    return tuple(maps.shape[axis] or shape[axis] for axis in (1, 2))


def _where(valid, value):
    shape = tf.concat([tf.shape(valid), tf.ones(value.shape.rank - 2, tf.int32)], axis=0)
    return tf.where(tf.reshape(valid, shape), value, tf.zeros_like(value))
