"""Detectors assembled from parts, and the parts that are no heads or necks.

All classes, as `keras.saving.load_model` may meet any of them in a file.
"""

import panet_tf.heads
import panet_tf.necks  # noqa: F401
from panet_tf.models.anchor_generator import AnchorGenerator
from panet_tf.models.anchor_sampler import AnchorSampler
from panet_tf.models.boxes_and_masks import BoxesAndMasks
from panet_tf.models.cascade_rcnn import cascade_rcnn
from panet_tf.models.cascade_stage import CascadeStage
from panet_tf.models.class_loss import ClassLoss
from panet_tf.models.cost import model_cost
from panet_tf.models.deep_mask import DeepMask, deep_mask
from panet_tf.models.dense_detection_selector import DenseDetectionSelector
from panet_tf.models.dense_target_assigner import DenseTargetAssigner
from panet_tf.models.detection_selector import DetectionSelector
from panet_tf.models.fast_rcnn import fast_rcnn, fast_rcnn_vgg16
from panet_tf.models.faster_rcnn import faster_rcnn
from panet_tf.models.faster_rcnn_c4 import faster_rcnn_c4
from panet_tf.models.faster_rcnn_c5 import faster_rcnn_c5
from panet_tf.models.fpn_mask_proposals import FPNMaskProposals, fpn_mask_proposals
from panet_tf.models.from_checkpoint import from_checkpoint
from panet_tf.models.hard_example_selector import HardExampleSelector
from panet_tf.models.hard_roi_sampler import HardRoISampler
from panet_tf.models.keypoint_rcnn import keypoint_rcnn
from panet_tf.models.mask_cell_sampler import MaskCellSampler
from panet_tf.models.mask_rcnn import mask_rcnn
from panet_tf.models.mask_rcnn_c4 import mask_rcnn_c4
from panet_tf.models.mask_rcnn_c5 import mask_rcnn_c5
from panet_tf.models.oanet import oanet, panoptic_fpn
from panet_tf.models.panet import panet
from panet_tf.models.panoptic_merger import PanopticMerger
from panet_tf.models.presets import from_preset, presets
from panet_tf.models.proposal_selector import ProposalSelector
from panet_tf.models.rcnn import RCNN
from panet_tf.models.retinanet import RetinaNet, retinanet
from panet_tf.models.roi_sampler import RoISampler
from panet_tf.models.running_count import RunningCount
from panet_tf.models.sa_ej_rcnn import sa_ej_rcnn
from panet_tf.models.separate_stages import proposer
from panet_tf.models.sharp_mask import SharpMask, sharp_mask
from panet_tf.models.torchvision_rcnn import torchvision_rcnn
from panet_tf.models.torchvision_retinanet import torchvision_retinanet
from panet_tf.models.unshared_rcnn import UnsharedRCNN

__all__ = [
    "DeepMask",
    "RCNN",
    "AnchorGenerator",
    "AnchorSampler",
    "BoxesAndMasks",
    "CascadeStage",
    "ClassLoss",
    "DenseDetectionSelector",
    "DenseTargetAssigner",
    "DetectionSelector",
    "FPNMaskProposals",
    "HardExampleSelector",
    "HardRoISampler",
    "MaskCellSampler",
    "PanopticMerger",
    "ProposalSelector",
    "RetinaNet",
    "SharpMask",
    "RoISampler",
    "RunningCount",
    "UnsharedRCNN",
    "cascade_rcnn",
    "deep_mask",
    "fast_rcnn",
    "fast_rcnn_vgg16",
    "faster_rcnn",
    "faster_rcnn_c4",
    "faster_rcnn_c5",
    "fpn_mask_proposals",
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
    "proposer",
    "retinanet",
    "sa_ej_rcnn",
    "sharp_mask",
    "torchvision_rcnn",
    "torchvision_retinanet",
]
