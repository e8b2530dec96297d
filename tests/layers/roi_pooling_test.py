import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.layers.adaptive_pooling import AdaptivePooling
from panet_tf.layers.roi_pooling import FPNLevelPooling
from panet_tf.ops.roi_align import roi_align_levels
from panet_tf.ops.roi_pool import roi_pool_levels, roi_warp_levels
from tests.layer_checks import assert_close, check_layer

RNG = np.random.default_rng(0)
ROIS = np.float32(
    [
        [[0, 0, 30, 30], [8, 16, 120, 140], [3, 5, 3, 5], [10, 20, 250, 250]],
        [[100, 100, 220, 210], [-9, 30, 40, 300], [0, 0, 0, 0], [5, 6, 9, 220]],
    ]
)


def pyramid(prefix="P", levels=(2, 3, 4, 5, 6), channels=3, size=256):
    """Levels of an image of `size` pixels; the extra level 6 holds values that must never be read."""
    return {
        f"{prefix}{n}": np.full((2, size >> n, size >> n, channels), np.nan, "f")
        if n == 6
        else RNG.standard_normal((2, size >> n, size >> n, channels)).astype("f")
        for n in levels
    }


def value_at(features, y, x):
    """Bilinear value at (y, x) in cells, integers at centres; outside [-1, size] it is 0."""
    height, width = features.shape[:2]
    if not (-1 <= y <= height and -1 <= x <= width):
        return 0.0
    y, x = np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)
    i, j = min(int(y), height - 2), min(int(x), width - 2)
    fy, fx = y - i, x - j
    rows = features[i : i + 2, j] * (1 - fx) + features[i : i + 2, j + 1] * fx
    return rows[0] * (1 - fy) + rows[1] * fy


def slow_pool(features, roi, stride, size, samples=2, shift=0.5):
    """RoIAlign of one region, point by point, in float64."""
    y0, x0, y1, x1 = roi.astype("float64") / stride
    out = np.zeros((size, size, features.shape[-1]))
    steps = (np.arange(size * samples) + 0.5) / (size * samples)
    for i, ty in enumerate(steps):
        for j, tx in enumerate(steps):
            y, x = y0 + ty * (y1 - y0) - shift, x0 + tx * (x1 - x0) - shift
            out[i // samples, j // samples] += value_at(features.astype("float64"), y, x) / samples**2
    return out


def test_behaves_as_a_layer():
    check_layer(
        FPNLevelPooling,
        {"output_size": 3, "canonical_size": 128},
        {k: np.nan_to_num(v) for k, v in pyramid().items()},
        ((2, 4, 3, 3, 3),),
        0,
        extra_inputs=(ROIS,),
        dynamic_axes=(1, 2),
        mixed_dtypes="float32",  # of the levels that it is given
    )


@pytest.mark.parametrize("prefix", ["P", "N"])
def test_each_region_is_pooled_from_the_level_of_its_size(prefix):
    levels = pyramid(prefix)
    (found,) = FPNLevelPooling(output_size=3, samples=2)(levels, ROIS)
    numbers = set()
    for b in range(2):
        for r, roi in enumerate(ROIS[b]):
            area = max(roi[2] - roi[0], 0) * max(roi[3] - roi[1], 0)
            n = int(np.clip(np.floor(4 + np.log2(np.sqrt(area) / 224 + 1e-9)), 2, 5))
            numbers.add(n)
            expected = slow_pool(levels[f"{prefix}{n}"][b], roi, 2**n, 3)
            np.testing.assert_allclose(found[b, r], expected, atol=1e-4)
    assert numbers == {2, 3, 4}


def test_levels_may_come_in_any_order_and_one_is_enough():
    levels = pyramid()
    (expected,) = FPNLevelPooling(output_size=2)(levels, ROIS)
    (found,) = FPNLevelPooling(output_size=2)(dict(reversed(levels.items())), ROIS)
    np.testing.assert_array_equal(found, expected)
    (found,) = FPNLevelPooling(output_size=2)({"P2": levels["P2"]}, ROIS)
    (of_p2, *_) = AdaptivePooling(output_size=2)(levels, ROIS)
    np.testing.assert_allclose(found, of_p2, atol=1e-6)


def test_regions_stay_in_float32_under_mixed_precision():
    levels = {k: tf.cast(v, tf.bfloat16) for k, v in pyramid(size=1024).items()}
    rois = tf.constant([[[801.37, 803.21, 1001.4, 1003.9]]] * 2)  # bfloat16 would round them to multiples of 4
    pooling = FPNLevelPooling(output_size=3, dtype="mixed_bfloat16")
    (found,) = pooling(levels, rois)
    assert found.dtype == tf.bfloat16
    (expected,) = FPNLevelPooling(output_size=3)({k: tf.cast(v, tf.float32) for k, v in levels.items()}, rois)
    np.testing.assert_allclose(tf.cast(found, tf.float32), expected, atol=2e-2)


def test_missing_levels_are_refused():
    levels = pyramid()
    with pytest.raises(ValueError, match=r"consecutive levels, received \('P2', 'P4'\)"):
        FPNLevelPooling()({"P2": levels["P2"], "P4": levels["P4"]}, ROIS)
    with pytest.raises(ValueError, match=r"at least one up to level 5, received \('P6',\)"):
        FPNLevelPooling()({"P6": levels["P6"]}, ROIS)


def test_no_regions():
    (found,) = FPNLevelPooling(output_size=3)(pyramid(), np.zeros((2, 0, 4), "f"))
    assert found.shape == (2, 0, 3, 3, 3)


def test_static_shapes_and_the_same_values_compiled():
    levels = pyramid()
    pooling = FPNLevelPooling(output_size=3)

    @tf.function(jit_compile=True)
    def compiled(levels, rois):
        return pooling(levels, rois)

    assert compiled.get_concrete_function(levels, ROIS).structured_outputs[0].shape == (2, 4, 3, 3, 3)
    assert_close(compiled(levels, ROIS), pooling(levels, ROIS))
    symbolic = {k: keras.Input((None, None, 3), name=k) for k in levels}
    (features,) = pooling(symbolic, keras.Input((4, 4)))
    assert features.shape == (None, 4, 3, 3, 3)


@pytest.mark.parametrize(
    "operator, pooling, function",
    [("pool", "average", roi_pool_levels), ("warp", "max", roi_warp_levels), ("align", "max", roi_align_levels)],
)
def test_operators_of_the_tables(operator, pooling, function):
    level = {"C4": RNG.standard_normal((2, 16, 16, 3)).astype("f")}
    layer = FPNLevelPooling(output_size=3, operator=operator, pooling=pooling)
    (found,) = FPNLevelPooling.from_config(layer.get_config())(level, ROIS)
    options = {} if operator == "pool" else {"pooling": pooling}
    expected = function(level, tf.constant(ROIS), tf.zeros((2, 4)), output_size=3, **options)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_unknown_operators_are_refused():
    with pytest.raises(ValueError, match="operator must be one of.*'crop'"):
        FPNLevelPooling(operator="crop")
    with pytest.raises(ValueError, match="received 'max' of 0"):
        FPNLevelPooling(pooling="max", samples=0)
