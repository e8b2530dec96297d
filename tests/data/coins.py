"""Pipelines over images of white coins on black: the image itself tells where each mask must be."""

import numpy as np

from panet_tf.data.color_jitter import ColorJitter
from panet_tf.data.detection_data import DetectionData
from panet_tf.data.random_crop import RandomCrop
from panet_tf.data.random_flip import RandomFlip
from panet_tf.data.random_rotation import RandomRotation90
from tests.listed_source import ListedSource, coin_image

EVERYTHING = {
    "training": True,
    "short_side": (48, 64),
    "scale_jitter": (0.6, 1.5),
    "augment": (RandomRotation90(), RandomCrop(), RandomFlip(), ColorJitter()),
    "max_instances": 2,
}


def coin_source(sizes=((64, 64),), count=5, seed=0, coins=1, **arguments):
    """Images with one white coin (or some) on black, of sizes in turn."""
    rng = np.random.default_rng(seed)
    images, masks = [], []
    for number in range(count):
        height, width = sizes[number % len(sizes)]
        radius = 0.2 * min(height, width)
        places = [
            (rng.uniform(radius, height - radius), rng.uniform(radius, width - radius), radius * rng.uniform(0.6, 1))
            for _ in range(coins)
        ]
        image, instances = coin_image(height, width, places)
        images.append(image)
        masks.append(instances)
    return ListedSource(images, masks, **arguments)


def make(source, **arguments):
    plain = {"batch_size": 2, "canvases": ((64, 64),), "short_side": None, "max_instances": 4}
    return DetectionData(source=source, **{**plain, **arguments})


def batches(data, count=None, step=0):
    dataset = data.dataset(step)
    return list((dataset if count is None else dataset.take(count)).as_numpy_iterator())


def assert_equal_batches(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other):
        assert a.keys() == b.keys()
        for key in a:
            np.testing.assert_array_equal(a[key], b[key], err_msg=key)
