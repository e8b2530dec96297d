"""RetinaNet that computes what torchvision's does, for its weights."""

import gin

from panet_tf.backbones.resnet import resnet
from panet_tf.models.anchor_generator import AnchorGenerator
from panet_tf.models.dense_detection_selector import DenseDetectionSelector
from panet_tf.models.dense_target_assigner import DenseTargetAssigner
from panet_tf.models.retinanet import retinanet
from panet_tf.weights.loading import load

# Three sides an octave, cut to whole pixels.
SIZES = tuple(tuple(int(size * 2 ** (i / 3)) for i in range(3)) for size in (32, 64, 128, 256, 512))


@gin.register(module="panet_tf")
def torchvision_retinanet(*, categories, epsilon=0.0, weights=None, **kwargs):
    """torchvision's `retinanet_resnet50_fpn`, first version, by its conventions.

    They are: anchors on the corners of cells, with sides cut to whole pixels before and rounded after they get their
    shapes, and the padded side // the level's side between them; P6 from P5; every object keeps the anchors that
    overlap it most; each image's losses are divided by its own positives, boxes have an L1 loss, and crowds are not
    looked at; 300 detections (boxes that clip to nothing, which torchvision leaves in, are none). Inputs are RGB, minus
    (123.675, 116.28, 103.53), over (58.395, 57.12, 57.375), the short side 800 unless the long one then exceeds 1333.

    Args:
        categories: sequence of dicts with `"id"` and `"name"`. The published weights have 91 logits, the first of which
            stands for the background: give COCO's ids 1 to 90, unused ones included, to go without it, or 91
            categories, the first one unnamed (`{"id": 0, "name": None}`), to keep it.
        epsilon: float, of the backbone's batch norms: 0 for the published COCO weights, 1e-5 for a model that
            torchvision built without `weights`. Defaults to 0.
        weights: file or dict of arrays for `panet_tf.weights.load`. Defaults to `None`, fresh weights.
        **kwargs: of `retinanet`, in place of these.

    Returns:
        `RetinaNet`, built.

    Example:
        >>> categories = [{"id": i, "name": f"category {i}"} for i in range(1, 91)]
        >>> model = torchvision_retinanet(categories=categories, weights="retinanet_resnet50_fpn_coco-eeacb38b.pth")

    Source: torchvision, `models/detection/retinanet.py`.
    """
    parts = {
        "anchor_generator": AnchorGenerator(sizes=SIZES, offset=0.0, rounding=True, stride="ratio"),
        "extra_levels": "p5",
        "target_assigner": DenseTargetAssigner(force_matches=True, crowd_overlap=None),
        "detection_selector": DenseDetectionSelector(
            score_threshold=0.05, pre_nms_top_k=1000, iou_threshold=0.5, max_detections=300
        ),
        "box_beta": 0.0,
        "normalizers": {"class_loss": "positive_per_image", "box_loss": "positive_per_image"},
    }
    if kwargs.get("backbone") is None:
        kwargs["backbone"] = resnet(50, norm="frozen_bn", epsilon=epsilon)
    model = retinanet(categories=categories, **(parts | kwargs))
    if weights is not None:
        load(model, weights)
    return model
