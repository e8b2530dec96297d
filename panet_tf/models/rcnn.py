"""The two-stage detector: Faster, Mask, Keypoint and Cascade R-CNN, PANet and OANet are this class with other parts."""

import inspect

import gin
import keras
import tensorflow as tf

from panet_tf.models import box_branch, keypoint_branch, mask_branch, panoptic_branch, rpn_branch
from panet_tf.models.anchor_generator import AnchorGenerator
from panet_tf.models.anchor_sampler import AnchorSampler
from panet_tf.models.detection_selector import DetectionSelector
from panet_tf.models.detector import Detector, check_categories
from panet_tf.models.detector_inputs import complete_inputs
from panet_tf.models.part_checks import check_parts
from panet_tf.models.proposal_selector import ProposalSelector
from panet_tf.models.roi_sampler import RoISampler
from panet_tf.ops import boxes as box_ops
from panet_tf.ops.sampling import random_uniform


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class RCNN(Detector):
    """Region proposals from a feature pyramid, then boxes, classes, masks and keypoints per region, and panoptic maps.

    `fit`, `evaluate` and `predict` take data sets of flat dicts (`panet_tf.data.DetectionData` makes them):

    | key | shape | meaning |
    |---|---|---|
    | `images` | (B, H, W, 3) | normalised, zero-padded at the bottom and right; sides are multiples of 32 |
    | `image_sizes` | (B, 2) | valid height and width; the whole canvas where left out |
    | `scales`, `offsets` | (B, 2) | network pixels per original pixel, and a crop's place in original pixels |
    | `image_ids` | (B,) | the data set's ids; -1 marks padding images, which no loss counts |
    | `boxes`, `classes`, `is_crowd` | (B, N, ...) | targets: yxyx in network pixels; 1 .. K, 0 = empty slot |
    | `masks` | (B, N, 112, 112) | targets of models with masks: samples over each box |
    | `keypoints` | (B, N, J, 3) | targets of models with keypoints: y, x in network pixels and visibility |
    | `semantic`, `panoptic` | (B, H / 4, W / 4) | targets of panoptic models: classes of the semantic head; slot + 1 |
    | `proposals` | (B, P, 4) | regions of models without an RPN: yxyx in network pixels, zeros where there are fewer |

    Args:
        categories: sequence of dicts with `"id"` and `"name"`; class k is `categories[k - 1]`.
        backbone: model from images to a dict of levels `"C2"`.. `"C5"`.
        necks: layers from a dict of levels to a dict of levels, applied in order (FPN; FPN then PAFPN for PANet).
        rpn_head: layer from levels to objectness and box deltas, or `None`: regions come with the inputs (Fast R-CNN).
        box_pooling: layer from (levels, rois) to a tuple of features, one per pooled level. It receives
            `training` where its `call` takes it.
        box_head: layer from those features to class logits and box deltas, or `None`: the model proposes, and its
            detections are the proposals, all of class 1.
        box_stages: further `CascadeStage`s, each refining the boxes of the stage before. Defaults to none.
        shared_head: layer from a tuple of pooled features to a tuple of features, between every pooling and its head:
            the res5 of C4 models. Defaults to `None`.
        interleaving: which regions masks are trained on and predicted for (SA-FPN + EJ-Head, section 3.2). `None`: the
            box head's input regions in training, its boxes afterwards. `"repool"`: its boxes in both, those that
            overlap an object by `roi_sampler.positive_iou` after refinement, pooled anew. `"reuse"`: the same choice,
            on the features of the regions that the boxes came from. Defaults to `None`.
        mask_pooling, mask_head: the same for masks. With a `shared_head` masks may use `box_pooling`; otherwise both or
            neither.
        keypoint_pooling, keypoint_head: the same for keypoints.
        semantic_head: layer from levels to the logits of semantic classes at stride 4.
        semantic_backbone, semantic_necks: of the semantic head alone, where it does not share the detector's (OANet,
            Table 4). Default to sharing both.
        spatial_ranking: layer that learns which instance lies over which (OANet, section 3.3).
        panoptic_merger: layer from instances and semantic logits to one panoptic map.
        panoptic_categories: sequence of dicts with `"id"`, `"name"` and `"isthing"`, those of the panoptic map; the
            things among them are `categories`. Needed by models with a semantic head.
        anchor_generator, anchor_sampler, proposal_selector, roi_sampler, detection_selector: the steps between. Each
            defaults to the papers' settings.
        rpn_beta, box_beta: where the smooth L1 losses of boxes turn linear. Default to Detectron's 1 / 9 and 1.
        normalizers: dict from names of losses to what their sums are divided by, as the functions of `panet_tf.losses`
            take it: `"sampled"`, `"positive"`, for masks `"pixels"` or `"regions"`, or a number per image. Losses left
            out have the papers'.
        **kwargs: `loss_weights`, `seed`, `preprocessing`, `name` and `dtype` of `Detector`.

    Returns (of `call` and `predict`): dict of `boxes` float32 (B, D, 4), yxyx in original pixels, `scores` (B, D),
    `classes` int32 (B, D), 0 in empty slots, `masks` float32 (B, D, 28, 28), probabilities inside each box, and
    `num_detections` int32 (B,); `image_ids` and `original_sizes` pass through. Models with keypoints and panoptic
    models add what `keypoint_branch.outputs` and `panoptic_branch.outputs` give.

    Raises:
        ValueError: if a head comes without its pooling or the other way round, a part without one it builds on, a
            normalizer names no loss, or parts do not fit each other or the categories; when called, if the images'
            sides are no multiples of 32 or targets are missing.

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
        "box_stages",
        "shared_head",
        "mask_pooling",
        "mask_head",
        "keypoint_pooling",
        "keypoint_head",
        "semantic_head",
        "semantic_backbone",
        "semantic_necks",
        "spatial_ranking",
        "panoptic_merger",
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
        rpn_head=None,
        box_pooling=None,
        box_head=None,
        box_stages=(),
        shared_head=None,
        interleaving=None,
        mask_pooling=None,
        mask_head=None,
        keypoint_pooling=None,
        keypoint_head=None,
        semantic_head=None,
        semantic_backbone=None,
        semantic_necks=(),
        spatial_ranking=None,
        panoptic_merger=None,
        panoptic_categories=None,
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
        names = ("rpn_objectness_loss", "rpn_box_loss") if rpn_head is not None else ()
        if box_head is not None:
            suffixes = ("", *(f"_{number}" for number in range(2, 2 + len(box_stages))))
            names += tuple(f"{kind}_loss{suffix}" for suffix in suffixes for kind in ("class", "box"))
        for kind, part in (
            ("mask", mask_head),
            ("keypoint", keypoint_head),
            ("semantic", semantic_head),
            ("ranking", spatial_ranking),
        ):
            names += (f"{kind}_loss",) if part is not None else ()
        super().__init__(categories=categories, loss_names=names, **kwargs)
        self.backbone = backbone
        self.necks = list(necks)
        self.rpn_head = rpn_head
        self.box_pooling = box_pooling
        self.box_head = box_head
        self.box_stages = list(box_stages)
        self.shared_head = shared_head
        self.interleaving = interleaving
        self.mask_pooling = mask_pooling
        self.mask_head = mask_head
        self.keypoint_pooling = keypoint_pooling
        self.keypoint_head = keypoint_head
        self.semantic_head = semantic_head
        self.semantic_backbone = semantic_backbone
        self.semantic_necks = list(semantic_necks)
        self.spatial_ranking = spatial_ranking
        self.panoptic_merger = panoptic_merger
        self.panoptic_categories = None if panoptic_categories is None else check_categories(panoptic_categories)
        self.anchor_generator = anchor_generator or AnchorGenerator()
        self.anchor_sampler = anchor_sampler or AnchorSampler()
        self.proposal_selector = proposal_selector or ProposalSelector()
        self.roi_sampler = roi_sampler or RoISampler()
        self.detection_selector = detection_selector or DetectionSelector()
        self.rpn_beta = rpn_beta
        self.box_beta = box_beta
        self.normalizers = dict(normalizers or {})
        unknown = sorted(set(self.normalizers) - set(names))
        if unknown:
            raise ValueError(f"normalizers must name losses of the model {names}, received {unknown}.")
        check_parts(self)
        self._build_parts()

    @property
    def max_detections(self):
        """Detections per image, at most."""
        return self.detection_selector.max_detections

    @property
    def takes_proposals(self):
        """Whether regions come with the inputs: what the predictor and the export ask for beside images."""
        return self.rpn_head is None

    def _build_parts(self):
        """Creates every weight now, so that saving, freezing and resuming never meet a half-built model."""
        bottom = self.backbone.output
        levels = bottom
        for neck in self.necks:
            levels = neck(levels)
        if self.rpn_head is not None:
            self.rpn_head(levels)
        rois = keras.KerasTensor((None, 8, 4), "float32")
        for head, pooling in (
            (self.box_head, self.box_pooling),
            *((stage.box_head, self.box_pooling) for stage in self.box_stages),
            (self.mask_head, self.mask_pooling or self.box_pooling),
            (self.keypoint_head, self.keypoint_pooling or self.box_pooling),
        ):
            if head is not None:
                head(self.pool(levels, rois, pooling))
        if self.semantic_head is not None:
            panoptic_branch.build(self, bottom, levels)
        self.built = True

    def build(self, input_shape=None):
        """Nothing to do: the parts are built with the model."""

    def features(self, images, training=False):
        """Levels of the last neck, from normalised images float (B, H, W, 3)."""
        return self._levels(images, training)[1]

    def _levels(self, images, training):
        """Levels of the backbone, and of the last neck."""
        bottom = self.backbone(tf.cast(images, self.compute_dtype), training=training)
        levels = bottom
        for neck in self.necks:
            levels = neck(levels, training=training)
        return bottom, levels

    def pool(self, levels, rois, pooling, training=False):
        """Features of regions (B, R, 4) for a head: those that a pooling layer takes, through the shared head.

        Args:
            levels: dict of levels of the last neck.
            rois: float32 (B, R, 4), yxyx in network pixels.
            pooling: the head's pooling layer; `None` stands for that of the boxes.
            training: bool.

        Returns:
            Tuple of features, one per pooled level.
        """
        pooling = pooling or self.box_pooling
        # Left out, Keras would fill it in from the outermost call: a pass that trains nothing would move statistics.
        knows = "training" in inspect.signature(pooling.call).parameters
        features = pooling(levels, rois, **({"training": training} if knows else {}))
        return features if self.shared_head is None else self.shared_head(features, training=training)

    def call(self, inputs, training=False):
        inputs = complete_inputs(inputs)
        has_targets = "boxes" in inputs
        if has_targets:
            self._check_targets(inputs)
        bottom, levels = self._levels(inputs["images"], training)
        proposals = rpn_branch.propose(self, levels, inputs, training)
        outputs = {}
        if has_targets:
            outputs["losses"] = self._named_losses(bottom, levels, proposals, inputs, training)
        if not (training and has_targets):
            outputs |= self._predictions(bottom, levels, proposals, inputs)
        return outputs

    def _check_targets(self, inputs):
        branches = (
            ("classes", True),
            ("masks", self.mask_head is not None or self.spatial_ranking is not None),
            ("keypoints", self.keypoint_head is not None),
            ("semantic", self.semantic_head is not None),
            ("panoptic", self.spatial_ranking is not None),
        )
        needed = tuple(key for key, there in branches if there)
        missing = [key for key in needed if key not in inputs]
        if missing:
            raise ValueError(f"the losses of this model need {('boxes', *needed)} in the inputs, missing {missing}.")

    def _named_losses(self, bottom, levels, proposals, inputs, training):
        found = rpn_branch.losses(self, proposals, inputs, training)
        sample = None
        if self.box_head is not None:
            boxes, sample = box_branch.losses(self, levels, proposals, inputs, training)
            found |= boxes
        if self.mask_head is not None:
            found |= mask_branch.losses(self, levels, sample, inputs, training)
        if self.keypoint_head is not None:
            found |= keypoint_branch.losses(self, levels, sample, inputs, training)
        if self.semantic_head is not None:
            found |= panoptic_branch.losses(self, bottom, levels, sample, inputs, training)
        return found

    def _predictions(self, bottom, levels, proposals, inputs):
        if self.box_head is None:
            found = rpn_branch.detections(proposals, self.max_detections)
        else:
            found = box_branch.detections(self, levels, proposals, inputs)
        outputs = {
            "boxes": box_ops.to_original(found["boxes"], inputs["scales"], inputs["offsets"]),
            "scores": found["scores"],
            "classes": found["classes"],
            "num_detections": tf.reduce_sum(tf.cast(found["valid"], tf.int32), axis=1),
        }
        if self.mask_head is not None:
            outputs |= mask_branch.outputs(self, levels, found, inputs)
        if self.keypoint_head is not None:
            outputs |= keypoint_branch.outputs(self, levels, found, inputs)
        if self.semantic_head is not None:
            found = found | {key: outputs[key] for key in ("masks",) if key in outputs}
            outputs |= panoptic_branch.outputs(self, bottom, levels, found, inputs)
        return outputs | {key: inputs[key] for key in ("image_ids", "original_sizes")}

    def noise(self, inputs, count, stream, training):
        """Numbers in [0, 1), float32 (B, count), by the run's seed, the step, the images' ids and a part's stream."""
        step = self.step if training else 0
        return random_uniform(2 * self.seed + stream, step, inputs["image_ids"], count)

    def given_normalizers(self, **losses):
        """Those of `normalizers` that were given, by the names of a loss function's arguments."""
        return {name: self.normalizers[loss] for name, loss in losses.items() if loss in self.normalizers}

    def get_config(self):
        config = super().get_config()
        config |= {name: getattr(self, name) for name in ("rpn_beta", "box_beta", "interleaving")}
        config["normalizers"] = dict(self.normalizers)
        config |= {part: keras.saving.serialize_keras_object(getattr(self, part)) for part in self.parts}
        things = self.panoptic_categories
        config["panoptic_categories"] = things and [dict(category) for category in things]
        return config
