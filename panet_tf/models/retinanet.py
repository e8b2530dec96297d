"""RetinaNet: a dense detector on a feature pyramid, and the function that puts it together."""

import gin
import keras
import tensorflow as tf

from panet_tf.backbones.resnet import resnet
from panet_tf.heads.dense import DenseHead
from panet_tf.losses.dense import dense_losses
from panet_tf.models.anchor_generator import AnchorGenerator, spatial_size
from panet_tf.models.class_loss import ClassLoss
from panet_tf.models.dense_detection_selector import DenseDetectionSelector
from panet_tf.models.dense_target_assigner import DenseTargetAssigner
from panet_tf.models.detector import Detector
from panet_tf.models.detector_inputs import complete_inputs, without_padding_images
from panet_tf.models.faster_rcnn import head_for
from panet_tf.necks.fpn import FPN
from panet_tf.necks.pafpn import PAFPN
from panet_tf.ops import boxes as box_ops

LEVELS = ("P3", "P4", "P5", "P6", "P7")
LOSSES = ("class_loss", "box_loss")


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class RetinaNet(Detector):
    """Classes and boxes of every anchor of a feature pyramid, in one step (Lin's thesis, chapter 5).

    `fit`, `evaluate` and `predict` take the same flat dicts as `RCNN`, without masks.

    Args:
        categories: sequence of dicts with `"id"` and `"name"`; class k is `categories[k - 1]`.
        backbone: model from images to a dict of levels `"C2"`.. `"C5"`.
        necks: layers from a dict of levels to a dict of levels, applied in order.
        head: layer from levels to class logits and box deltas.
        anchor_generator: as many anchors a cell as the head predicts, one entry of sizes a level.
        target_assigner, detection_selector: the steps between. Default to the thesis's settings.
        class_loss: part from logits and targets to a loss for each. Defaults to `ClassLoss()`, the focal loss.
        example_selector: part that chooses the anchors to train on, as `HardExampleSelector`, or `None` for all of
            them. Defaults to `None`.
        running_count: part that evens out over the steps what losses are divided by, as `RunningCount`, detectron2's
            choice; or `None`, each batch's own count. Losses that `normalizers` names keep theirs, and with an example
            selector the box loss does. Defaults to `None`.
        levels: names of the last neck's levels that the head looks at, or `None` for all. Defaults to `None`.
        box_beta: where the smooth L1 loss of boxes turns linear; 0 is L1. Defaults to Detectron's 1 / 9.
        normalizers: dict from `"class_loss"` and `"box_loss"` to what their sums are divided by, as `dense_losses`
            takes it. Losses left out are divided by the positives, and with an example selector the class loss by all
            those selected (the box loss still by the positives among them: others have none). Defaults to none.
        **kwargs: `loss_weights`, `seed`, `preprocessing`, `name` and `dtype` of `Detector`.

    Returns (of `call` and `predict`): dict of `boxes` float32 (B, D, 4), yxyx in original pixels, `scores` (B, D),
    `classes` int32 (B, D), 0 in empty slots, and `num_detections` int32 (B,); `image_ids` and `original_sizes` pass
    through.

    Raises:
        ValueError: if a normalizer names no loss, if `normalizers` leaves nothing to a running count, or if parts do
            not fit each other or the categories; when called, if the images' sides are no multiples of 32 or classes
            are missing among the targets.

    Example:
        >>> model = panet_tf.models.retinanet(categories=[{"id": 1, "name": "nucleus"}])
        >>> model.compile(optimizer=panet_tf.training.SGD(learning_rate=0.01))
        >>> model.fit(train_data.dataset(), steps_per_epoch=100, epochs=10)
    """

    parts = (
        "backbone",
        "necks",
        "head",
        "anchor_generator",
        "target_assigner",
        "class_loss",
        "example_selector",
        "running_count",
        "detection_selector",
    )

    def __init__(
        self,
        *,
        categories,
        backbone,
        necks,
        head,
        anchor_generator,
        target_assigner=None,
        class_loss=None,
        example_selector=None,
        running_count=None,
        detection_selector=None,
        levels=None,
        box_beta=1 / 9,
        normalizers=None,
        **kwargs,
    ):
        super().__init__(categories=categories, loss_names=LOSSES, **kwargs)
        self.backbone = backbone
        self.necks = list(necks)
        self.head = head
        self.anchor_generator = anchor_generator
        self.target_assigner = target_assigner or DenseTargetAssigner()
        self.class_loss = class_loss or ClassLoss()
        self.example_selector = example_selector
        self.running_count = running_count
        self.detection_selector = detection_selector or DenseDetectionSelector()
        self.levels = None if levels is None else tuple(levels)
        self.box_beta = box_beta
        self.normalizers = dict(normalizers or {})
        self._check_parts()
        outputs = self.backbone.output
        for neck in self.necks:
            outputs = neck(outputs)
        self.head(self._chosen(outputs))  # creates every weight now, so that saving never meets a half-built model
        self.built = True

    @property
    def max_detections(self):
        """Detections per image, at most."""
        return self.detection_selector.max_detections

    def _check_parts(self):
        """Parts that do not fit each other would give numbers all the same."""
        unknown = sorted(set(self.normalizers) - set(LOSSES))
        if unknown:
            raise ValueError(f"normalizers must name losses of the model {LOSSES}, received {unknown}.")
        if self.running_count is not None and not self._averaged():
            raise ValueError(
                f"normalizers must leave one of {LOSSES} to running_count, and with an example_selector the class "
                f"loss, received {self.normalizers}."
            )
        number = getattr(self.head, "num_classes", len(self.categories))
        if number != len(self.categories):
            raise ValueError(
                f"head must have as many classes as there are categories, received {number} and {len(self.categories)}."
            )
        for name, one, other in (
            ("num_anchors", "head", "anchor_generator"),
            ("box_weights", "target_assigner", "detection_selector"),
        ):
            values = [getattr(getattr(self, part), name, None) for part in (one, other)]
            if None not in values and values[0] != values[1]:
                raise ValueError(f"{one} and {other} must have the same {name}, received {values[0]} and {values[1]}.")

    def _averaged(self):
        """Losses that a running count divides: all of one count, which is taken in once a step."""
        names = LOSSES if self.example_selector is None else ("class_loss",)
        return [name for name in names if name not in self.normalizers]

    def _chosen(self, levels):
        if self.levels is None:
            return levels
        missing = [name for name in self.levels if name not in levels]
        if missing:
            raise ValueError(f"levels must be among those of the last neck {tuple(levels)}, received {self.levels}.")
        return {name: levels[name] for name in self.levels}

    def build(self, input_shape=None):
        """Nothing to do: the parts are built with the model."""

    def features(self, images, training=False):
        """Levels that the head looks at, from normalised images float (B, H, W, 3)."""
        images = tf.cast(images, self.compute_dtype)
        levels = self.backbone(images, training=training)
        for neck in self.necks:
            levels = neck(levels, training=training)
        return self._chosen(levels)

    def call(self, inputs, training=False):
        inputs = complete_inputs(inputs)
        levels = self.features(inputs["images"], training)
        found = self.head(levels, training=training)
        anchors = self.anchor_generator(levels, image_size=spatial_size(inputs["images"]))
        has_targets = "boxes" in inputs
        if has_targets and "classes" not in inputs:
            raise ValueError("the losses of this model need ('boxes', 'classes') in the inputs, missing ['classes'].")
        outputs = {}
        if has_targets:
            outputs["losses"] = self._dense_losses(found, anchors, inputs, training)
        if not (training and has_targets):
            outputs |= self._detections(found, anchors, inputs)
        return outputs

    def targets(self, anchors, inputs):
        """What the assigner gives for all anchors of a batch; nothing in images that only fill it up.

        Args:
            anchors: dict of levels, float32 (A_l, 4).
            inputs: complete inputs with targets.

        Returns:
            dict of the `DenseTargetAssigner`.
        """
        anchors = tf.concat(list(anchors.values()), axis=0)
        targets = self.target_assigner(anchors, inputs["boxes"], inputs["classes"], inputs["is_crowd"])
        return {**targets, "classes": without_padding_images(targets["classes"], inputs)}

    def _dense_losses(self, found, anchors, inputs, training):
        targets = self.targets(anchors, inputs)
        select, divisor = None, "positive"
        if self.example_selector is not None:
            boxes, divisor = tf.concat(list(anchors.values()), axis=0), "sampled"

            def select(losses, classes):
                return self.example_selector(losses, classes, boxes)

        losses = dense_losses(
            tf.concat(list(found["class_logits"].values()), axis=1),
            tf.concat(list(found["box_deltas"].values()), axis=1),
            classes=targets["classes"],
            box_targets=targets["box_deltas"],
            class_loss=self.class_loss,
            select=select,
            beta=self.box_beta,
            class_normalizer=self.normalizers.get("class_loss", divisor),
            box_normalizer=self.normalizers.get("box_loss", "positive"),
        )
        losses = {"class_loss": losses["class"], "box_loss": losses["box"]}
        averaged = self._averaged()
        if self.running_count is not None and averaged:
            count = self.running_count(losses[averaged[0]][1], training=training)
            losses |= {name: (losses[name][0], count) for name in averaged}
        return losses

    def _detections(self, found, anchors, inputs):
        detections = self.detection_selector(found["class_logits"], found["box_deltas"], anchors, inputs["image_sizes"])
        return {
            "boxes": box_ops.to_original(detections["boxes"], inputs["scales"], inputs["offsets"]),
            "scores": detections["scores"],
            "classes": detections["classes"],
            "num_detections": tf.reduce_sum(tf.cast(detections["valid"], tf.int32), axis=1),
            **{key: inputs[key] for key in ("image_ids", "original_sizes")},
        }

    def get_config(self):
        config = super().get_config()
        config |= {"levels": self.levels, "box_beta": self.box_beta, "normalizers": dict(self.normalizers)}
        config |= {part: keras.saving.serialize_keras_object(getattr(self, part)) for part in self.parts}
        return config


@gin.register(module="panet_tf")
def retinanet(
    *,
    categories,
    backbone=None,
    necks=None,
    filters=256,
    norm=None,
    extra_levels="c5",
    bottom_up=False,
    anchor_generator=None,
    head=None,
    **kwargs,
):
    """RetinaNet as in Lin's thesis, section 5.4: P3 to P7, nine anchors a cell, two subnets, the focal loss.

    Args:
        categories: sequence of dicts with `"id"` and `"name"`.
        backbone: model from images to `"C2"`.. `"C5"`. Defaults to a ResNet-50 with frozen batch norm.
        necks: layers over levels in place of the default FPN (and PAFPN). Give `levels` where they end in levels that
            the head should not look at, and an `anchor_generator` unless five are left.
        filters: int, channels of the pyramid and the head. Defaults to 256.
        norm: norm of the default neck and head. Defaults to `None`, as the thesis has it.
        extra_levels: what the default FPN makes P6 from, `"c5"` or `"p5"`, as torchvision's first version; P7 is made
            from the rectified P6. Defaults to `"c5"`.
        bottom_up: bool, PANet's bottom-up path over P3 to P7 behind the default FPN. Defaults to False.
        anchor_generator: Defaults to sides of 32 to 813 pixels: three an octave, of three shapes.
        head: part, or its class (any function of `num_classes`). Defaults to `DenseHead`.
        **kwargs: of `RetinaNet`.

    Returns:
        `RetinaNet`, built.

    Example:
        >>> model = retinanet(categories=[{"id": 1, "name": "cell"}], backbone=resnet(101))
    """
    anchor_generator = anchor_generator or AnchorGenerator(sizes=(32, 64, 128, 256, 512), scales_per_octave=3)
    if necks is None:
        necks = [FPN(filters=filters, norm=norm, outputs=LEVELS, extra_levels=extra_levels)]
        if bottom_up:
            necks.append(PAFPN(filters=filters, norm=norm, levels=LEVELS))
            kwargs.setdefault("levels", tuple(f"N{level[1:]}" for level in LEVELS))  # without N8
    return RetinaNet(
        categories=categories,
        backbone=backbone or resnet(50, norm="frozen_bn"),
        necks=necks,
        head=head_for(categories, head)
        or DenseHead(num_classes=len(categories), num_anchors=anchor_generator.num_anchors, filters=filters, norm=norm),
        anchor_generator=anchor_generator,
        **kwargs,
    )
