"""Images whose colour tells which segment each pixel is: what tests of panoptic targets read."""

import numpy as np

from tests.listed_source import ListedSource

# Things and stuff mixed, ids with gaps: nothing may lean on COCO's order.
CATEGORIES = (
    {"id": 7, "name": "grass", "isthing": 0},
    {"id": 24, "name": "coin", "isthing": 1},
    {"id": 23, "name": "sky", "isthing": 0},
    {"id": 90, "name": "button", "isthing": 1},
)
STEP = 16  # grey levels from one segment's number to the next


class PaintedSource(ListedSource):
    """Discs that do not overlap on two kinds of ground with a strip of nothing between: `raw[i]["truth"]` is not given
    to the pipeline, the image is: red is STEP * number of the segment.

    Args:
        sizes: tuple of (height, width), in turn.
        count: int, images.
        coins: int, discs of an image, at most.
    """

    categories = tuple(category for category in CATEGORIES if category["isthing"])
    panoptic_categories = CATEGORIES

    def __init__(self, sizes=((64, 64),), count=4, coins=5, seed=0, **arguments):
        rng = np.random.default_rng(seed)
        images, masks, classes, crowds, maps, tables = [], [], [], [], [], []
        for number in range(count):
            segments, instances = _draw(rng, *sizes[number % len(sizes)], coins)
            labels = rng.integers(1, 3, len(instances)).tolist()
            images.append(np.repeat(segments[..., None] * np.uint8(STEP), 3, axis=2).astype(np.uint8))
            masks.append(instances)
            classes.append(labels)
            crowds.append((rng.random(len(instances)) < 0.2).tolist())
            maps.append(segments[..., None].astype(np.uint16))
            tables.append(np.array([(2, 4)[label - 1] for label in labels] + [1, 3], np.int32))
        super().__init__(images, masks, classes, crowds, **arguments)
        for raw, segment_map, categories in zip(self.raw, maps, tables):
            raw["panoptic"] = segment_map
            raw["segments"] = {"category": categories}
            raw["objects"]["segment"] = np.arange(1, len(raw["objects"]["class"]) + 1, dtype=np.int32)


def _draw(rng, height, width, coins):
    y, x = np.mgrid[:height, :width] + 0.5
    segments = np.zeros((height, width), np.int32)
    instances = []
    for _ in range(20):
        radius = rng.uniform(3, 0.25 * min(height, width))
        disc = (y - rng.uniform(0, height)) ** 2 + (x - rng.uniform(0, width)) ** 2 < radius**2
        if len(instances) < coins and disc.any() and not segments[disc].any():
            instances.append(disc)
            segments[disc] = len(instances)
    border = x + rng.uniform(-0.5, 0.5) * y - 0.5 * width
    segments[(segments == 0) & (border < -2)] = len(instances) + 1
    segments[(segments == 0) & (border > 2)] = len(instances) + 2
    return segments, instances
