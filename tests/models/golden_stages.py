"""What the golden tests of torchvision's detectors share: reading the records and comparing with them."""

import numpy as np

from panet_tf.data.preprocessing import Preprocessing
from tests.golden_input import recorded_sides, resized

LEVELS = {"P2": "0", "P3": "1", "P4": "2", "P5": "3", "P6": "pool"}
PIXELS = 0.05


def network_inputs(values, seeded):
    """The recorded image as the network takes it, resized and padded by our own pipeline: a batch of one."""
    height, width = values["image_hw"]
    canvas = tuple(int(side) for side in values["network_input_shape_nchw"][2:])
    short_side, long_side = recorded_sides(values)
    prepare = Preprocessing(canvases=(canvas,), short_side=short_side, long_side=long_side, truncate=True)
    image = 255.0 * seeded.image(int(height), int(width), int(values["seed"]))
    assert tuple(prepare.resized((height, width)).numpy()) == resized(values)
    return {key: value[None] for key, value in prepare(image, canvas).items()}


def yxyx(boxes):
    return boxes[..., [1, 0, 3, 2]]


def relative(found, wanted):
    """Largest difference, in units of the largest recorded value."""
    assert found.shape == wanted.shape
    return np.max(np.abs(found - wanted)) / np.max(np.abs(wanted))


def matched(boxes, classes, values):
    """For each recorded detection the index of one of ours of its class within `PIXELS` of it, or -1; used once."""
    distance = np.abs(yxyx(values["boxes"])[:, None] - boxes[None]).max(-1)
    distance[values["labels"][:, None] != classes[None]] = np.inf
    partners = np.full(len(distance), -1)
    for row in range(len(distance)):
        column = np.argmin(distance[row])
        if distance[row, column] <= PIXELS:
            partners[row] = column
            distance[:, column] = np.inf
    return partners


def recorded_rpn(values):
    """Logits and deltas of each level, flattened from (1, A, h, w) and (1, A * 4, h, w) to our order."""
    logits, deltas = {}, {}
    for i, level in enumerate(LEVELS):
        objectness, moves = values[f"rpn_objectness_{i}"], values[f"rpn_deltas_{i}"]
        logits[level] = objectness.transpose(0, 2, 3, 1).reshape(1, -1)
        deltas[level] = moves.transpose(0, 2, 3, 1).reshape(1, -1, 4)[..., [1, 0, 3, 2]]
    return logits, deltas


def feature_errors(levels, values, level):
    """Relative errors of a level's recorded channel means and corner."""
    name = LEVELS[level]
    features = levels[level].numpy().transpose(0, 3, 1, 2)
    assert features.shape == tuple(values[f"feature_{name}_shape"])
    means, corner = values[f"feature_{name}_mean"], values[f"feature_{name}_corner"]
    return relative(features[0].mean((1, 2)), means), relative(features[0, :16, :8, :8], corner)
