"""The two-stage detector: Faster R-CNN, Mask R-CNN and PANet are this class with different parts."""

import gin
import keras
import tensorflow as tf

from panet_tf.losses.box import box_losses
from panet_tf.losses.mask import mask_loss
from panet_tf.losses.rpn import rpn_losses
from panet_tf.models.anchor_generator import AnchorGenerator, spatial_size
from panet_tf.models.anchor_sampler import AnchorSampler
from panet_tf.models.detection_selector import DetectionSelector
from panet_tf.models.detector import Detector
from panet_tf.models.detector_inputs import complete_inputs, without_padding_images
from panet_tf.models.proposal_selector import ProposalSelector
from panet_tf.models.roi_sampler import RoISampler
from panet_tf.ops import boxes as box_ops
from panet_tf.ops.masks import mask_targets
from panet_tf.ops.sampling import random_uniform

BOX_LOSSES = ("rpn_objectness_loss", "rpn_box_loss", "class_loss", "box_loss")


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class RCNN(Detector):
    """Region proposals from a feature pyramid, then boxes, classes and masks per region.

    `fit`, `evaluate` and `predict` take data sets of flat dicts (`panet_tf.data.DetectionData` makes them):

    | key | shape | meaning |
    |---|---|---|
    | `images` | (B, H, W, 3) | normalised, zero-padded at the bottom and right; sides are multiples of 32 |
    | `image_sizes` | (B, 2) | valid height and width; the whole canvas where left out |
    | `scales`, `offsets` | (B, 2) | network pixels per original pixel, and a crop's place in original pixels |
    | `image_ids` | (B,) | the data set's ids; -1 marks padding images, which no loss counts |
    | `boxes`, `classes`, `is_crowd` | (B, N, ...) | targets: yxyx in network pixels; 1 .. K, 0 = empty slot |
    | `masks` | (B, N, 112, 112) | targets of models with masks: samples over each box |

    Args:
        categories: sequence of dicts with `"id"` and `"name"`; class k is `categories[k - 1]`.
        backbone: model from images to a dict of levels `"C2"`.. `"C5"`.
        necks: layers from a dict of levels to a dict of levels, applied in order (FPN; FPN then PAFPN for PANet).
        rpn_head: layer from levels to objectness and box deltas.
        box_pooling: layer from (levels, rois) to a tuple of features, one per pooled level.
        box_head: layer from those features to class logits and box deltas.
        mask_pooling, mask_head: the same for masks; both or neither.
        anchor_generator, anchor_sampler, proposal_selector, roi_sampler, detection_selector: the steps between. Each
            defaults to the papers' settings.
        rpn_beta, box_beta: where the smooth L1 losses of boxes turn linear. Default to Detectron's 1 / 9 and 1.
        normalizers: dict from names of losses to what their sums are divided by, as the functions of `panet_tf.losses`
            take it: `"sampled"`, `"positive"`, for masks `"pixels"` or `"regions"`, or a number per image. Losses left
            out have the papers'.
        **kwargs: `loss_weights`, `seed`, `preprocessing`, `name` and `dtype` of `Detector`.

    Returns (of `call` and `predict`): dict of `boxes` float32 (B, D, 4), yxyx in original pixels, `scores` (B, D),
    `classes` int32 (B, D), 0 in empty slots, `masks` float32 (B, D, 28, 28), probabilities inside each box, and
    `num_detections` int32 (B,); `image_ids` and `original_sizes` pass through.

    Raises:
        ValueError: if one of `mask_pooling` and `mask_head` comes without the other, a normalizer names no loss, or
            parts do not fit each other or the categories; when called, if the images' sides are no multiples of 32 or
            targets are missing.

    Example:
        >>> model = panet_tf.models.panet(categories=[{"id": 1, "name": "nucleus"}])
        >>> model.compile(optimizer=panet_tf.training.SGD(learning_rate=0.01))
        >>> model.fit(train_data.dataset(), steps_per_epoch=100, epochs=10)
    """

    parts = (
        "backbone",
        "necks",
        "rpn_head",
        "box_pooling",
        "box_head",
        "mask_pooling",
        "mask_head",
        "anchor_generator",
        "anchor_sampler",
        "proposal_selector",
        "roi_sampler",
        "detection_selector",
    )

    def __init__(
        self,
        *,
        categories,
        backbone,
        necks,
        rpn_head,
        box_pooling,
        box_head,
        mask_pooling=None,
        mask_head=None,
        anchor_generator=None,
        anchor_sampler=None,
        proposal_selector=None,
        roi_sampler=None,
        detection_selector=None,
        rpn_beta=1 / 9,
        box_beta=1.0,
        normalizers=None,
        **kwargs,
    ):
        if (mask_pooling is None) != (mask_head is None):
            raise ValueError(
                f"mask_pooling and mask_head come together, received mask_pooling={mask_pooling} and "
                f"mask_head={mask_head}."
            )
        loss_names = BOX_LOSSES + (("mask_loss",) if mask_head is not None else ())
        super().__init__(categories=categories, loss_names=loss_names, **kwargs)
        self.backbone = backbone
        self.necks = list(necks)
        self.rpn_head = rpn_head
        self.box_pooling = box_pooling
        self.box_head = box_head
        self.mask_pooling = mask_pooling
        self.mask_head = mask_head
        self.anchor_generator = anchor_generator or AnchorGenerator()
        self.anchor_sampler = anchor_sampler or AnchorSampler()
        self.proposal_selector = proposal_selector or ProposalSelector()
        self.roi_sampler = roi_sampler or RoISampler()
        self.detection_selector = detection_selector or DetectionSelector()
        self.rpn_beta = rpn_beta
        self.box_beta = box_beta
        self.normalizers = dict(normalizers or {})
        unknown = sorted(set(self.normalizers) - set(loss_names))
        if unknown:
            raise ValueError(f"normalizers must name losses of the model {loss_names}, received {unknown}.")
        self._check_parts()
        self._build_parts()

    @property
    def max_detections(self):
        """Detections per image, at most."""
        return self.detection_selector.max_detections

    def _check_parts(self):
        """Parts that do not fit each other would give numbers all the same."""
        for part in ("box_head", "mask_head"):
            number = getattr(getattr(self, part), "num_classes", len(self.categories))
            if number != len(self.categories):
                raise ValueError(
                    f"{part} must have as many classes as there are categories, received {number} and "
                    f"{len(self.categories)}."
                )
        for name, one, other in (
            ("num_anchors", "rpn_head", "anchor_generator"),
            ("box_weights", "roi_sampler", "detection_selector"),
        ):
            values = [getattr(getattr(self, part), name, None) for part in (one, other)]
            if None not in values and values[0] != values[1]:
                raise ValueError(f"{one} and {other} must have the same {name}, received {values[0]} and {values[1]}.")

    def _build_parts(self):
        """Creates every weight now, so that saving, freezing and resuming never meet a half-built model."""
        levels = self.backbone.output
        for neck in self.necks:
            levels = neck(levels)
        self.rpn_head(levels)
        rois = keras.KerasTensor((None, 8, 4), "float32")
        self.box_head(self.box_pooling(levels, rois))
        if self.mask_head is not None:
            self.mask_head(self.mask_pooling(levels, rois))
        self.built = True

    def build(self, input_shape=None):
        """Nothing to do: the parts are built with the model."""

    def features(self, images, training=False):
        """Levels of the last neck, from normalised images float (B, H, W, 3)."""
        images = tf.cast(images, self.compute_dtype)
        levels = self.backbone(images, training=training)
        for neck in self.necks:
            levels = neck(levels, training=training)
        return levels

    def call(self, inputs, training=False):
        inputs = complete_inputs(inputs)
        levels = self.features(inputs["images"], training)
        rpn = self.rpn_head(levels, training=training)
        anchors = self.anchor_generator(levels, image_size=spatial_size(inputs["images"]))
        proposals, _, valid = self.proposal_selector(
            rpn["objectness"], rpn["box_deltas"], anchors, inputs["image_sizes"], training=training
        )
        has_targets = "boxes" in inputs
        needed = ("classes", "masks") if self.mask_head is not None else ("classes",)
        missing = [key for key in needed if has_targets and key not in inputs]
        if missing:
            raise ValueError(f"the losses of this model need {('boxes', *needed)} in the inputs, missing {missing}.")
        outputs = {}
        if has_targets:
            outputs["losses"] = {
                **self._rpn_losses(rpn, anchors, inputs, training),
                **self._roi_losses(levels, proposals, valid, inputs, training),
            }
        if not (training and has_targets):
            outputs |= self._detections(levels, proposals, valid, inputs)
        return outputs

    def _noise(self, inputs, count, stream, training):
        step = self.step if training else 0
        return random_uniform(2 * self.seed + stream, step, inputs["image_ids"], count)

    def _rpn_losses(self, rpn, anchors, inputs, training):
        anchors = tf.concat(list(anchors.values()), axis=0)
        objectness = tf.concat(list(rpn["objectness"].values()), axis=1)
        deltas = tf.concat(list(rpn["box_deltas"].values()), axis=1)
        noise = self._noise(inputs, objectness.shape[1] or tf.shape(objectness)[1], 0, training)
        sample = self.anchor_sampler(anchors, inputs["boxes"], inputs["classes"], inputs["is_crowd"], noise)
        losses = rpn_losses(
            tf.gather(objectness, sample["indices"], batch_dims=1),
            tf.gather(deltas, sample["indices"], batch_dims=1),
            labels=without_padding_images(sample["labels"], inputs),
            box_targets=sample["box_deltas"],
            beta=self.rpn_beta,
            **self._normalizers(objectness_normalizer="rpn_objectness_loss", box_normalizer="rpn_box_loss"),
        )
        return {"rpn_objectness_loss": losses["objectness"], "rpn_box_loss": losses["box"]}

    def _roi_losses(self, levels, proposals, valid, inputs, training):
        boxes, classes, is_crowd = inputs["boxes"], inputs["classes"], inputs["is_crowd"]
        slots = proposals.shape[1] + (boxes.shape[1] if self.roi_sampler.append_boxes else 0)
        noise = self._noise(inputs, slots, 1, training)
        sample = self.roi_sampler(proposals, valid, boxes, classes, is_crowd, noise)
        labels = without_padding_images(sample["classes"], inputs)
        head = self.box_head(self.box_pooling(levels, sample["rois"]), training=training)
        losses = box_losses(
            head["class_logits"],
            head["box_deltas"],
            classes=labels,
            box_targets=sample["box_deltas"],
            beta=self.box_beta,
            **self._normalizers(class_normalizer="class_loss", box_normalizer="box_loss"),
        )
        losses = {"class_loss": losses["class"], "box_loss": losses["box"]}
        if self.mask_head is not None:
            rows, weights = self._mask_rows(labels)
            rois, labels, matched = (
                tf.gather(values, rows, batch_dims=1) for values in (sample["rois"], labels, sample["matched"])
            )
            logits = self.mask_head(self.mask_pooling(levels, rois), classes=tf.maximum(labels, 1), training=training)
            targets = mask_targets(inputs["masks"], boxes, rois, matched, logits.shape[-1])
            losses["mask_loss"] = mask_loss(logits, targets, weights, **self._normalizers(normalizer="mask_loss"))
        return losses

    def _mask_rows(self, labels):
        """Which regions the mask head sees, int32 (B, M), and what each counts, float32 (B, M).

        Positives lead the sample. Where they do not fill the M places they are repeated at weight 0: background there
        would enter the statistics of a batch norm that at inference sees objects alone.
        """
        places = tf.range(self.roi_sampler.num_positive)[None, :]
        positives = tf.reduce_sum(tf.cast(labels > 0, tf.int32), axis=1, keepdims=True)
        return places % tf.maximum(positives, 1), tf.cast(places < positives, tf.float32)

    def _normalizers(self, **losses):
        """Those that were given, by the names of a loss function's arguments."""
        return {name: self.normalizers[loss] for name, loss in losses.items() if loss in self.normalizers}

    def _detections(self, levels, proposals, valid, inputs):
        head = self.box_head(self.box_pooling(levels, proposals))
        found = self.detection_selector(
            head["class_logits"], head["box_deltas"], proposals, valid, inputs["image_sizes"]
        )
        outputs = {
            "boxes": box_ops.to_original(found["boxes"], inputs["scales"], inputs["offsets"]),
            "scores": found["scores"],
            "classes": found["classes"],
            "num_detections": tf.reduce_sum(tf.cast(found["valid"], tf.int32), axis=1),
        }
        if self.mask_head is not None:
            logits = self.mask_head(self.mask_pooling(levels, found["boxes"]), classes=tf.maximum(found["classes"], 1))
            outputs["masks"] = tf.sigmoid(logits) * tf.cast(found["valid"], tf.float32)[..., None, None]
        return outputs | {key: inputs[key] for key in ("image_ids", "original_sizes")}

    def get_config(self):
        config = super().get_config()
        config |= {"rpn_beta": self.rpn_beta, "box_beta": self.box_beta, "normalizers": dict(self.normalizers)}
        config |= {part: keras.saving.serialize_keras_object(getattr(self, part)) for part in self.parts}
        return config
