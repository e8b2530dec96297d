"""Data sets, augmentation and batching. The names below are loaded on first use."""

import importlib

_HOMES = {
    "CityscapesFiles": "cityscapes_files",
    "CocoPanopticFiles": "coco_panoptic_files",
    "CocoSource": "coco_source",
    "ColorJitter": "color_jitter",
    "DetectionData": "detection_data",
    "MaskPatches": "mask_patches",
    "OccludedShapesSource": "occluded_shapes_source",
    "PanopticFromInstances": "panoptic_from_instances",
    "PanopticSource": "panoptic_source",
    "Preprocessing": "preprocessing",
    "RandomCrop": "random_crop",
    "RandomFlip": "random_flip",
    "RandomRotation90": "random_rotation",
    "TfdsPanopticFiles": "tfds_panoptic_files",
    "VistasFiles": "vistas_files",
    "nuclei_mini": "embedded",
    "pad_to_stride": "pad",
}
__all__ = sorted(_HOMES)


def __getattr__(name):
    if name in _HOMES:
        return getattr(importlib.import_module(f"panet_tf.data.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'panet_tf.data' has no attribute '{name}'")


def __dir__():
    return sorted({*globals(), *__all__})
