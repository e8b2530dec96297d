"""A tiny OANet, and batches with panoptic targets: two rectangles that overlap, sky above ground."""

import numpy as np

from panet_tf.heads.stuff import StuffHead
from panet_tf.models.oanet import oanet
from panet_tf.models.panoptic_merger import PanopticMerger
from panet_tf.ops.semantic_classes import semantic_classes
from tests.models.tiny import batch_of_boxes, tiny_panet

PANOPTIC = (
    {"id": 7, "name": "left", "isthing": 1},
    {"id": 20, "name": "sky", "isthing": 0},
    {"id": 3, "name": "right", "isthing": 1},
    {"id": 5, "name": "ground", "isthing": 0},
)


def tiny_oanet(*, build=oanet, **kwargs):
    """OANet (or what `build` assembles) with 8 channels; every detection counts, so that merging has work to do."""
    kwargs.setdefault("panoptic_merger", PanopticMerger(score_threshold=0.0, min_stuff_area=16))
    kwargs.setdefault("semantic_head", small_stuff_head)

    def assemble(*, categories, **parts):
        del categories  # those of `tiny_panet` do not say which are things
        return build(categories=PANOPTIC, **parts)

    return tiny_panet(build=assemble, **kwargs)


def small_stuff_head(num_classes):
    return StuffHead(num_classes=num_classes, filters=4, fused_filters=8)


def panoptic_batch(context="all", **kwargs):
    """A batch of `batch_of_boxes` whose second rectangle is moved onto the first, which it hides in part."""
    batch = batch_of_boxes(**kwargs)
    height, width = batch["images"].shape[1:3]
    boxes = batch["boxes"]
    boxes[:, 1] = boxes[:, 0] + np.float32([6, 6, 6, 6])
    boxes[batch["classes"] == 0] = 0
    numbers = semantic_classes(PANOPTIC, context).of_category
    panoptic = np.zeros((len(boxes), height // 4, width // 4), "int32")
    semantic = np.full(panoptic.shape, numbers[2], "int32")
    semantic[:, height // 8 :] = numbers[4]
    y, x = np.mgrid[: height // 4, : width // 4] * 4 + 2
    for b, slot in np.ndindex(boxes.shape[:2]):
        category = {0: 0, 1: 1, 2: 3}[int(batch["classes"][b, slot])]
        if category:
            top, left, bottom, right = boxes[b, slot]
            inside = (y > top) & (y < bottom) & (x > left) & (x < right)
            panoptic[b][inside], semantic[b][inside] = slot + 1, numbers[category]
    return {**batch, "boxes": boxes, "semantic": semantic, "panoptic": panoptic}
