"""Detectors assembled from parts."""

from panet_tf.heads.mask_mlp import MLPMaskHead  # noqa: F401  # a model's file may hold one
from panet_tf.models.cost import model_cost
from panet_tf.models.faster_rcnn import faster_rcnn
from panet_tf.models.faster_rcnn_c4 import faster_rcnn_c4
from panet_tf.models.faster_rcnn_c5 import faster_rcnn_c5
from panet_tf.models.from_checkpoint import from_checkpoint
from panet_tf.models.keypoint_rcnn import keypoint_rcnn
from panet_tf.models.mask_rcnn import mask_rcnn
from panet_tf.models.mask_rcnn_c4 import mask_rcnn_c4
from panet_tf.models.mask_rcnn_c5 import mask_rcnn_c5
from panet_tf.models.oanet import oanet, panoptic_fpn
from panet_tf.models.panet import panet
from panet_tf.models.presets import from_preset, presets
from panet_tf.models.rcnn import RCNN
from panet_tf.models.retinanet import RetinaNet, retinanet
from panet_tf.models.torchvision_rcnn import torchvision_rcnn
from panet_tf.models.torchvision_retinanet import torchvision_retinanet

__all__ = [
    "RCNN",
    "RetinaNet",
    "faster_rcnn",
    "faster_rcnn_c4",
    "faster_rcnn_c5",
    "from_checkpoint",
    "from_preset",
    "keypoint_rcnn",
    "mask_rcnn",
    "mask_rcnn_c4",
    "mask_rcnn_c5",
    "model_cost",
    "oanet",
    "panet",
    "panoptic_fpn",
    "presets",
    "retinanet",
    "torchvision_rcnn",
    "torchvision_retinanet",
]
