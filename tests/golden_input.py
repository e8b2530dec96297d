"""How torchvision made the network's input of a golden image."""

import numpy as np

SIDES = {"min_size": 256, "max_size": 448}  # what its models were made with, where a record does not say


def recorded_sides(values):
    """Shortest and longest side that a recorded model resizes to, ints."""
    return tuple(int(values[key]) if key in values else side for key, side in SIDES.items())


def resized(values):
    """Height and width after resizing, ints: cut off, as its scale of float32 gives them."""
    shortest, longest = np.float32(recorded_sides(values))
    sides = np.float32(values["image_hw"])
    scale = float(min(shortest / sides.min(), longest / sides.max()))
    height, width = (int(side * scale) for side in values["image_hw"].tolist())
    padded = tuple(-(-side // 32) * 32 for side in (height, width))
    assert padded == tuple(values["network_input_shape_nchw"][2:])
    return height, width
