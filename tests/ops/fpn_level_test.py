"""The level of a RoI: the paper's formula, its boundaries and its ends."""

import numpy as np
import pytest
import tensorflow as tf

from panet_tf.ops.fpn_level import fpn_level, level_stride


def test_levels_are_those_of_the_formula():
    rng = np.random.default_rng(0)
    sizes = np.exp(rng.uniform(np.log(2), np.log(2000), (500, 2)))
    rois = np.concatenate([np.zeros((500, 2)), sizes], axis=-1)
    expected = np.clip(np.floor(4 + np.log2(np.sqrt(sizes.prod(-1)) / 224) + 1e-6), 2, 5)
    np.testing.assert_array_equal(fpn_level(rois), expected)
    assert len(set(expected)) == 4
    np.testing.assert_array_equal(fpn_level(rois, min_level=3, max_level=4), np.clip(expected, 3, 4))


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_level_begins_at_exactly_its_size(jit_compile):
    run = tf.function(fpn_level, jit_compile=jit_compile, autograph=False)
    sides = np.array([111.9, 112, 223.9, 224, 447.9, 448, 5000, 0])
    rois = np.stack([sides * 0 + 7, sides * 0 + 3, sides + 7, sides + 3], axis=-1).astype(np.float32)
    assert run(tf.constant(rois)).numpy().tolist() == [2, 3, 3, 4, 4, 5, 5, 2]


@pytest.mark.parametrize(
    ("epsilons", "begins"),  # where level 4 begins, less than a square of 224 by this share
    [({}, 2**-1e-6 - 1), ({"level_epsilon": 0.0}, 0.0), ({"level_epsilon": 0.0, "ratio_epsilon": 1e-3}, -1e-3)],
)
def test_sources_add_their_epsilons_to_the_level_or_to_the_ratio(epsilons, begins):
    side = 224 * (1 + begins)
    rois = np.float32([[0, 0, side * (1 + nudge), side * (1 + nudge)] for nudge in (-1e-6, 1e-6)])
    assert fpn_level(rois, **epsilons).numpy().tolist() == [3, 4]


def test_names_give_strides():
    assert [level_stride(level) for level in ("C2", "P3", "N6")] == [4, 8, 64]
    with pytest.raises(ValueError, match="fine"):
        level_stride("fine")
