"""Mask proposals from a feature pyramid, and the function that puts the model together."""

import math

import gin
import keras
import tensorflow as tf

from panet_tf.backbones.resnet import resnet
from panet_tf.heads.fpn_mask_proposal import FPNMaskProposalHead
from panet_tf.losses.counting import count_true, loss_count, masked_sum
from panet_tf.losses.mask import mask_loss
from panet_tf.models.anchor_generator import spatial_size
from panet_tf.models.detector import Detector
from panet_tf.models.detector_inputs import complete_inputs, without_padding_images
from panet_tf.models.mask_cell_sampler import MaskCellSampler
from panet_tf.necks.fpn import FPN
from panet_tf.ops import boxes as box_ops
from panet_tf.ops.best_windows import best_windows
from panet_tf.ops.mask_proposal_cells import cell_centers
from panet_tf.ops.masks import mask_targets
from panet_tf.ops.sampling import random_uniform

LOSSES = ("score_loss", "mask_loss")
OCTAVES = (32, 64, 128, 256, 512)  # longer sides of objects that P2 to P6 are for
HALF_OCTAVES = tuple(size * math.sqrt(2) for size in OCTAVES)


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class FPNMaskProposals(Detector):
    """Class-agnostic masks of the objects in an image, from one pass over it (FPN, section 6; Lin's thesis, 4.6).

    Windows of each level's cells give a mask and a score. A second kind of window, larger by about the root of two,
    serves objects between two levels. `fit`, `evaluate` and `predict` take the same flat dicts as `RCNN`.

    Args:
        categories: sequence of dicts with `"id"` and `"name"`, of the data. Proposals are all of class 1.
        backbone: model from images to a dict of levels `"C2"`.. `"C5"`.
        necks: layers from a dict of levels to a dict of levels, applied in order.
        heads: layers, one for each kind of window, as `FPNMaskProposalHead`; their masks are of one size.
        sizes: for each head a tuple of numbers, one a level: the longer side in pixels of the objects its windows are
            for.
        padding: float, share of that size that a mask covers beside the object: it is 1 + padding sizes large. Defaults
            to 0.25.
        sampler: part that draws the cells to train on. Defaults to `MaskCellSampler()`.
        max_proposals: int, per image, the best of all levels; none is suppressed. Defaults to 1000.
        binarize_at: float, probability above which a pixel belongs to a mask. Masks leave shifted, so that what was
            this is 0.5, where everything downstream cuts. Defaults to 0.5.
        normalizers: dict from `"score_loss"` and `"mask_loss"` to what their sums are divided by: `"sampled"`,
            `"positive"`, for masks `"pixels"` or `"regions"`, or a number per image. Losses left out have `"sampled"`
            and `"pixels"`, the mean over windows and over the pixels of positive windows.
        **kwargs: `loss_weights` (by default 10 for masks), `seed`, `preprocessing`, `name` and `dtype` of `Detector`.

    Returns (of `call` and `predict`): dict of `boxes` float32 (B, D, 4), yxyx in original pixels, the squares that
    masks lie in (`boxes_are_frames`: evaluators take the boxes around masks), `scores` (B, D), sorted, `classes` int32
    (B, D), 1, or 0 in empty slots, `masks` float32 (B, D, m, m), probabilities, and `num_detections` int32 (B,);
    `image_ids` and `original_sizes` pass through.

    Raises:
        ValueError: if heads, sizes and levels do not fit each other, or a normalizer names no loss; when called, if the
            images' sides are no multiples of 32 or targets are missing.

    Example:
        >>> model = panet_tf.models.fpn_mask_proposals(categories=[{"id": 1, "name": "nucleus"}])
        >>> model.compile(optimizer=panet_tf.training.SGD(learning_rate=0.03))
        >>> model.fit(train_data.dataset(), steps_per_epoch=100, epochs=10)
    """

    parts = ("backbone", "necks", "heads", "sampler")
    boxes_are_frames = True

    def __init__(
        self,
        *,
        categories,
        backbone,
        necks,
        heads,
        sizes,
        padding=0.25,
        sampler=None,
        max_proposals=1000,
        binarize_at=0.5,
        normalizers=None,
        loss_weights=None,
        **kwargs,
    ):
        loss_weights = {"mask_loss": 10.0} if loss_weights is None else loss_weights
        super().__init__(categories=categories, loss_names=LOSSES, loss_weights=loss_weights, **kwargs)
        self.backbone = backbone
        self.necks = list(necks)
        self.heads = list(heads)
        self.sizes = tuple(tuple(float(size) for size in of_head) for of_head in sizes)
        self.padding = float(padding)
        self.sampler = sampler or MaskCellSampler()
        self.max_proposals = int(max_proposals)
        self.binarize_at = float(binarize_at)
        self.normalizers = dict(normalizers or {})
        levels = self.backbone.output
        for neck in self.necks:
            levels = neck(levels)
        self._check_parts(levels)
        for head in self.heads:  # creates every weight now, so that saving never meets a half-built model
            head(levels, keras.KerasTensor((None, 8), "int32"))
        self.built = True

    def _check_parts(self, levels):
        unknown = sorted(set(self.normalizers) - set(LOSSES))
        if unknown:
            raise ValueError(f"normalizers must name losses of the model {LOSSES}, received {unknown}.")
        if not self.heads or len(self.heads) != len(self.sizes) or {len(s) for s in self.sizes} != {len(levels)}:
            raise ValueError(
                f"sizes must hold one tuple a head and in it one number a level, received {self.sizes} for "
                f"{len(self.heads)} heads and the levels {tuple(levels)}."
            )
        masks = {head.mask_size for head in self.heads}
        if len(masks) > 1:
            raise ValueError(f"heads must give masks of one size, received {sorted(masks)}.")
        if not 0.0 < self.binarize_at < 1.0:
            raise ValueError(f"binarize_at must be a probability, received {self.binarize_at}.")

    @property
    def max_detections(self):
        """Proposals per image, at most."""
        return self.max_proposals

    @property
    def mask_head(self):
        """The first head: the model predicts masks."""
        return self.heads[0]

    def build(self, input_shape=None):
        """Nothing to do: the parts are built with the model."""

    def features(self, images, training=False):
        """Levels of the last neck, from normalised images float (B, H, W, 3)."""
        levels = self.backbone(tf.cast(images, self.compute_dtype), training=training)
        for neck in self.necks:
            levels = neck(levels, training=training)
        return levels

    def call(self, inputs, training=False):
        inputs = complete_inputs(inputs)
        levels = self.features(inputs["images"], training)
        sizes = {name: spatial_size(features) for name, features in levels.items()}
        outputs = {}
        if "boxes" in inputs:
            missing = [key for key in ("classes", "masks") if key not in inputs]
            if missing:
                raise ValueError(f"the losses of this model need boxes, classes and masks, missing {missing}.")
            outputs["losses"] = self._window_losses(levels, sizes, inputs, training)
        if not (training and "boxes" in inputs):
            outputs |= self._proposals(levels, sizes, inputs)
        return outputs

    def windows(self, levels, sizes, indices):
        """Scores, mask logits and frames of some windows.

        Args:
            levels: dict of levels.
            sizes: dict from their names to (height, width) in cells.
            indices: int32 (B, N), head by head, then level by level, row by row.

        Returns:
            dict of `"scores"` float32 (B, N), `"mask_logits"` float32 (B, N, m, m) and `"frames"` float32 (B, N, 4),
            the squares that masks cover, yxyx in network pixels.
        """
        centers, _ = cell_centers(sizes)
        total = tf.shape(centers)[0]
        kind, cell = indices // total, indices % total
        chosen = None
        for number, head in enumerate(self.heads):  # each head is cheap on so few windows
            found = head(levels, cell)
            if chosen is None:
                chosen = found
                continue
            own = kind == number
            chosen = {
                "scores": tf.where(own, found["scores"], chosen["scores"]),
                "mask_logits": tf.where(own[..., None, None], found["mask_logits"], chosen["mask_logits"]),
            }
        counts = [height * width for height, width in sizes.values()]
        ends = tf.cumsum(tf.stack(counts))
        level = tf.reduce_sum(tf.cast(cell[..., None] >= ends[:-1], tf.int32), axis=-1)
        side = tf.gather_nd(tf.constant(self.sizes), tf.stack([kind, level], axis=-1)) * (1 + self.padding)
        middle = tf.gather(centers, cell)
        frames = tf.concat([middle - side[..., None] / 2, middle + side[..., None] / 2], axis=-1)
        return {**chosen, "frames": frames}

    def _window_losses(self, levels, sizes, inputs, training):
        cells = sum(height * width for height, width in sizes.values())
        noise = random_uniform(
            2 * self.seed, self.step if training else 0, inputs["image_ids"], len(self.heads) * cells
        )
        objects = inputs["boxes"], inputs["classes"], inputs["is_crowd"]
        sample = self.sampler(*objects, inputs["image_sizes"], noise, sizes=sizes, scales=self.sizes)
        labels = without_padding_images(sample["labels"], inputs)
        found = self.windows(levels, sizes, sample["indices"])
        positives = self.sampler.num_positive  # they come first
        frames, matched = found["frames"][:, :positives], sample["matched"][:, :positives]
        logits = found["mask_logits"][:, :positives]
        targets = mask_targets(inputs["masks"], inputs["boxes"], frames, matched, logits.shape[-1])
        weights = tf.cast(labels[:, :positives] == 1, tf.float32)
        normalizer = self.normalizers.get("mask_loss", "pixels")
        positive = labels == 1
        cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(positive, tf.float32), found["scores"])
        counts = {"sampled": count_true(labels >= 0), "positive": count_true(positive)}
        count = loss_count(self.normalizers.get("score_loss", "sampled"), labels, **counts)
        return {
            "score_loss": (masked_sum(labels >= 0, cross_entropy), count),
            "mask_loss": mask_loss(logits, targets, weights, normalizer=normalizer),
        }

    def _proposals(self, levels, sizes, inputs):
        centers, _ = cell_centers(sizes)
        inside = tf.reduce_all(centers < inputs["image_sizes"][:, None, :], axis=-1)
        scores = tf.concat([logits for head in self.heads for logits in head.scores(levels).values()], axis=1)
        scores = tf.where(tf.tile(inside, (1, len(self.heads))), scores, float("-inf"))
        scores, indices = best_windows(scores, self.max_proposals)
        found = self.windows(levels, sizes, indices)
        shift = math.log(self.binarize_at / (1 - self.binarize_at))
        valid = tf.math.is_finite(scores) & (inputs["image_ids"] >= 0)[:, None]
        kept = {
            "boxes": box_ops.to_original(found["frames"], inputs["scales"], inputs["offsets"]),
            "scores": tf.sigmoid(scores),
            "classes": tf.ones_like(indices),
            "masks": tf.sigmoid(found["mask_logits"] - shift),
        }
        outputs = {}
        for name, value in kept.items():
            there = tf.reshape(valid, tf.concat([tf.shape(valid), [1] * (value.shape.rank - 2)], axis=0))
            outputs[name] = tf.where(there, value, tf.zeros_like(value))
        number = tf.reduce_sum(tf.cast(valid, tf.int32), axis=1)
        return outputs | {"num_detections": number} | {key: inputs[key] for key in ("image_ids", "original_sizes")}

    def get_config(self):
        names = ("sizes", "padding", "max_proposals", "binarize_at")
        config = super().get_config() | {name: getattr(self, name) for name in names}
        config |= {part: keras.saving.serialize_keras_object(getattr(self, part)) for part in self.parts}
        return config | {"normalizers": dict(self.normalizers)}


@gin.register(module="panet_tf")
def fpn_mask_proposals(
    *,
    categories,
    backbone=None,
    necks=None,
    filters=128,
    norm=None,
    windows=(5, 7),
    hidden=512,
    mask_size=14,
    sizes=None,
    **kwargs,
):
    """FPN's mask proposals as in Lin's thesis, section 4.6: two small networks on P2 to P6.

    The rows of Table 4.6 are its arguments: `windows=(5,)`, `windows=(7,)`, both, and `mask_size=28`.

    Args:
        categories: sequence of dicts with `"id"` and `"name"`.
        backbone: model from images to `"C2"`.. `"C5"`. Defaults to a ResNet-50 with frozen batch norm.
        necks: layers over levels. Defaults to one FPN.
        filters: int, channels of the pyramid. Defaults to 128.
        norm: norm of the default neck. Defaults to `None`.
        windows: cells a side of the windows, one a head. Defaults to (5, 7).
        hidden: int, filters of the heads. Defaults to 512.
        mask_size: int. Defaults to 14.
        sizes: as in `FPNMaskProposals`. Defaults to 32 .. 512 pixels on P2 .. P6, and a second head's to the half
            octaves above.
        **kwargs: of `FPNMaskProposals`.

    Returns:
        `FPNMaskProposals`, built.

    Example:
        >>> model = fpn_mask_proposals(categories=[{"id": 1, "name": "cell"}], mask_size=28)
    """
    if sizes is None:
        if len(windows) > 2:
            raise ValueError(f"sizes must be given for more than two kinds of windows, received {windows}.")
        sizes = (OCTAVES, HALF_OCTAVES)[: len(windows)]
    return FPNMaskProposals(
        categories=categories,
        backbone=backbone or resnet(50, norm="frozen_bn"),
        necks=necks or [FPN(filters=filters, norm=norm)],
        heads=[
            FPNMaskProposalHead(window=window, filters=hidden, mask_size=mask_size, name=f"window{window}")
            for window in windows
        ],
        sizes=sizes,
        **kwargs,
    )
