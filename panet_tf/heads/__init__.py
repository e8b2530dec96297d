"""Heads over levels and over regions of interest.

All of them, as `keras.saving.load_model` may meet any of them in a file.
"""

from panet_tf.heads.average_box import AverageBoxHead
from panet_tf.heads.boundary_refinement import BoundaryRefinement
from panet_tf.heads.box import BoxHead
from panet_tf.heads.dense import DenseHead
from panet_tf.heads.dense_block import DenseBlock
from panet_tf.heads.fpn_mask_proposal import FPNMaskProposalHead
from panet_tf.heads.keypoint import KeypointHead
from panet_tf.heads.level_fusion import LevelFusion
from panet_tf.heads.mask import MaskHead
from panet_tf.heads.mask_mlp import MLPMaskHead
from panet_tf.heads.panoptic_fpn import PanopticFPNHead
from panet_tf.heads.refined_pooling import RefinedPooling
from panet_tf.heads.res5 import Res5Head
from panet_tf.heads.rpn import RPNHead
from panet_tf.heads.separate_box import SeparateBoxHeads
from panet_tf.heads.spatial_ranking import SpatialRanking
from panet_tf.heads.stuff import StuffHead
from panet_tf.heads.vgg_box import VGGBoxHead

__all__ = [
    "AverageBoxHead",
    "BoundaryRefinement",
    "BoxHead",
    "DenseBlock",
    "DenseHead",
    "FPNMaskProposalHead",
    "KeypointHead",
    "LevelFusion",
    "MLPMaskHead",
    "MaskHead",
    "PanopticFPNHead",
    "RPNHead",
    "RefinedPooling",
    "Res5Head",
    "SeparateBoxHeads",
    "SpatialRanking",
    "StuffHead",
    "VGGBoxHead",
]
