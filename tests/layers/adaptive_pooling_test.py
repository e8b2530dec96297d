import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.layers.adaptive_pooling import AdaptivePooling
from panet_tf.layers.roi_pooling import FPNLevelPooling
from tests.layer_checks import assert_close, check_layer
from tests.layers.roi_pooling_test import ROIS, pyramid, slow_pool


def test_behaves_as_a_layer():
    check_layer(
        AdaptivePooling,
        {"output_size": 3},
        {k: np.nan_to_num(v) for k, v in pyramid("N").items()},
        ((2, 4, 3, 3, 3),) * 4,
        0,
        extra_inputs=(ROIS,),
        dynamic_axes=(1, 2),
        mixed_dtypes="float32",  # of the levels that it is given
    )


@pytest.mark.parametrize(("aligned", "shift"), [(True, 0.5), (False, 0.0)])
def test_every_region_is_pooled_from_every_level(aligned, shift):
    levels = pyramid("N")
    rois = np.where(ROIS[..., 2:3] > ROIS[..., :1], ROIS, np.float32([0, 0, 64, 64]))  # unaligned stretches small ones
    pooled = AdaptivePooling(output_size=2, samples=3, aligned=aligned)(dict(reversed(levels.items())), rois)
    assert len(pooled) == 4  # level 6 is the RPN's
    for n, found in zip((2, 3, 4, 5), pooled):
        for b, r in ((0, 0), (0, 1), (0, 3), (1, 0)):
            roi = rois[b, r].copy()
            if not aligned:
                roi[2:] = np.maximum(roi[2:], roi[:2] + 2**n)
            expected = slow_pool(levels[f"N{n}"][b], roi, 2**n, 2, 3, shift)
            np.testing.assert_allclose(found[b, r], expected, atol=1e-4)


@pytest.mark.parametrize("layer", [AdaptivePooling, FPNLevelPooling])
def test_inclusive_regions_end_with_their_last_pixel(layer):
    """A box of Detectron from pixel 8 to pixel 39 is (8, 40) here, and is pooled from 8 to 39 as it was there."""
    levels = pyramid("N", levels=(2, 3))
    ours, theirs = np.float32([[[8, 16, 40, 64]]]), np.float32([8, 16, 39, 63])
    settings = {"output_size": 3, "aligned": False, "max_level": 3, "inclusive": True}
    pooled = layer(**settings)({k: v[:1] for k, v in levels.items()}, ours)
    assert layer(**settings).get_config()["inclusive"]
    np.testing.assert_allclose(pooled[0][0, 0], slow_pool(levels["N2"][0], theirs, 4, 3, shift=0.0), atol=1e-4)


def test_max_level_leaves_out_coarse_levels():
    levels = pyramid("N")
    pooled = AdaptivePooling(output_size=2, max_level=3)(levels, ROIS)
    assert_close(pooled, AdaptivePooling(output_size=2)(levels, ROIS)[:2], rtol=0)
    with pytest.raises(ValueError, match="at least one up to level 1"):
        AdaptivePooling(max_level=1)(levels, ROIS)


def test_levels_get_gradients_and_regions_do_not():
    levels = {k: tf.constant(v) for k, v in pyramid("N", levels=(2, 3)).items()}
    rois = tf.constant(ROIS)
    with tf.GradientTape() as tape:
        tape.watch((levels, rois))
        total = tf.add_n([tf.reduce_sum(x) for x in AdaptivePooling(output_size=2)(levels, rois)])
    of_levels, of_rois = tape.gradient(total, (levels, rois))
    assert of_rois is None
    for gradient in of_levels.values():
        assert np.any(gradient)


def test_static_shapes_and_the_same_values_compiled():
    levels = pyramid("N")
    pooling = AdaptivePooling(output_size=3)
    compiled = tf.function(lambda levels, rois: pooling(levels, rois), jit_compile=True)
    assert_close(compiled(levels, ROIS), pooling(levels, ROIS))
    symbolic = pooling({k: keras.Input((None, None, 3), name=k) for k in levels}, keras.Input((4, 4)))
    assert [x.shape for x in symbolic] == [(None, 4, 3, 3, 3)] * 4
