"""Detectors assembled from parts."""

from panet_tf.models.faster_rcnn import faster_rcnn
from panet_tf.models.mask_rcnn import mask_rcnn
from panet_tf.models.panet import panet
from panet_tf.models.rcnn import RCNN
from panet_tf.models.torchvision_rcnn import torchvision_rcnn

__all__ = ["RCNN", "faster_rcnn", "mask_rcnn", "panet", "torchvision_rcnn"]
