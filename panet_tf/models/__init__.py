"""Detectors assembled from parts."""

from panet_tf.models.faster_rcnn import faster_rcnn
from panet_tf.models.from_checkpoint import from_checkpoint
from panet_tf.models.keypoint_rcnn import keypoint_rcnn
from panet_tf.models.mask_rcnn import mask_rcnn
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
    "from_checkpoint",
    "from_preset",
    "keypoint_rcnn",
    "mask_rcnn",
    "oanet",
    "panet",
    "panoptic_fpn",
    "presets",
    "retinanet",
    "torchvision_rcnn",
    "torchvision_retinanet",
]
