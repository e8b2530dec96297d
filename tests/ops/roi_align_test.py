"""RoIAlign against torchvision, against algebra, and its two implementations against each other, gradients included."""

import numpy as np
import pytest
import tensorflow as tf

from panet_tf.ops.fpn_level import fpn_level
from panet_tf.ops.roi_align import roi_align, roi_align_levels

IMPLEMENTATIONS = [("crop_and_resize", False), ("gather", False), ("gather", True)]


def compiled(function, jit_compile):
    return tf.function(function, jit_compile=jit_compile, autograph=False)


def random_rois(rng, shape, height, width):
    """RoIs of many sizes, some of them partly outside the image, the first of each image without area."""
    sizes = np.exp(rng.uniform(0, np.log(max(height, width)), (*shape, 2)))
    centres = rng.uniform(0, 1, (*shape, 2)) * (height, width)
    rois = np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=-1)
    rois[:, 0] = np.tile(centres[:, 0], 2)
    return tf.constant(rois, tf.float32)


@pytest.mark.golden
@pytest.mark.parametrize(("implementation", "jit_compile"), IMPLEMENTATIONS)
@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("samples", [0, 1, 2])
def test_values_equal_torchvision(golden, samples, aligned, implementation, jit_compile):
    values = golden("ops")
    features = tf.constant(values["feature_nchw"].transpose(0, 2, 3, 1))
    image = values["rois_bxyxy"][:, 0].astype(int)
    rois = tf.constant(values["rois_bxyxy"][:, [2, 1, 4, 3]])
    kwargs = {"stride": 1 / values["spatial_scale"], "output_size": 7, "samples": samples, "aligned": aligned}

    def run(features):
        return roi_align(features, tf.stack([rois, rois]), implementation=implementation, **kwargs)

    pooled = compiled(run, jit_compile)(features).numpy()[image, np.arange(len(image))]
    expected = values[f"roi_align_7x7_samples{samples or -1}_aligned{int(aligned)}"].transpose(0, 2, 3, 1)
    np.testing.assert_allclose(pooled, expected, atol=5e-5)


@pytest.mark.parametrize(("implementation", "jit_compile"), IMPLEMENTATIONS)
@pytest.mark.parametrize("samples", [0, 1, 2, 3])
def test_a_plane_is_pooled_to_its_value_at_the_centres_of_bins(samples, implementation, jit_compile):
    # On features that are linear in position, interpolation and averaging are exact: the value at the bin's centre.
    y, x = np.mgrid[:20, :30].astype(np.float32) + 0.5  # cell centres
    features = tf.constant(np.stack([y, x, 2 * y - x], axis=-1)[None])
    roi = np.array([13.0, 22.0, 61.0, 92.0])  # pixels of stride 4, inside the map
    kwargs = {"stride": 4, "output_size": (3, 5), "samples": samples, "implementation": implementation}
    run = compiled(lambda f: roi_align(f, tf.constant(roi[None, None], tf.float32), **kwargs), jit_compile)
    pooled = run(features).numpy()[0, 0]
    centres_y = (roi[0] + (np.arange(3) + 0.5) * 48 / 3) / 4
    centres_x = (roi[1] + (np.arange(5) + 0.5) * 70 / 5) / 4
    grid_y, grid_x = np.meshgrid(centres_y, centres_x, indexing="ij")
    np.testing.assert_allclose(pooled, np.stack([grid_y, grid_x, 2 * grid_y - grid_x], axis=-1), atol=1e-4)


def test_gradients_of_overlapping_rois_are_whole_and_the_same_each_time():
    """TensorFlow's own gradient of `crop_and_resize` loses a tenth of this sum to a race between threads."""
    rng = np.random.default_rng(0)
    features = tf.constant(rng.normal(size=(1, 16, 16, 128)), tf.float32)
    rois = random_rois(rng, (1, 256), 128, 128)

    def gradient(implementation):
        with tf.GradientTape() as tape:
            tape.watch(features)
            pooled = roi_align(features, rois, stride=8, output_size=14, implementation=implementation)
            loss = tf.reduce_sum(pooled**2)
        return tape.gradient(loss, features).numpy()

    expected = gradient("gather")
    for _ in range(4):
        np.testing.assert_allclose(gradient("crop_and_resize"), expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("output_size", [7, (2, 5)])
@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("samples", [0, 1, 2])
def test_both_implementations_give_the_same_values_and_gradients(samples, aligned, output_size):
    rng = np.random.default_rng(0)
    features = tf.constant(rng.normal(size=(2, 11, 14, 3)), tf.float32)
    rois = random_rois(rng, (2, 25), 88, 112)
    size = (output_size, output_size) if isinstance(output_size, int) else output_size
    weights = tf.constant(rng.normal(size=(2, 25, *size, 3)), tf.float32)
    results = []
    for implementation, jit_compile in IMPLEMENTATIONS:

        def run(features, rois, implementation=implementation):
            with tf.GradientTape() as tape:
                tape.watch([features, rois])
                pooled = roi_align(
                    features,
                    rois,
                    stride=8,
                    output_size=output_size,
                    samples=samples,
                    aligned=aligned,
                    max_samples=3,
                    implementation=implementation,
                )
                loss = tf.reduce_sum(pooled * weights)
            to_features, to_rois = tape.gradient(loss, [features, rois])
            assert to_rois is None
            return pooled, to_features

        results.append([value.numpy() for value in compiled(run, jit_compile)(features, rois)])
    assert np.isfinite(results[0][0]).all() and np.abs(results[0][1]).max() > 0.1
    for values, gradients in results[1:]:
        np.testing.assert_allclose(values, results[0][0], atol=1e-5)
        np.testing.assert_allclose(gradients, results[0][1], atol=5e-5)  # sums over up to 50 RoIs


def test_the_gradient_is_that_of_the_values():
    # Pooling is linear in the features: sum(gradient * direction) is the loss's exact change.
    rng = np.random.default_rng(1)
    features, direction = (tf.constant(rng.normal(size=(1, 6, 7, 2)), tf.float32) for _ in range(2))
    rois = random_rois(rng, (1, 9), 24, 28)
    for implementation in ("crop_and_resize", "gather"):

        def loss(features, implementation=implementation):
            pooled = roi_align(features, rois, stride=4, output_size=3, implementation=implementation)
            return tf.reduce_sum(pooled * tf.sin(tf.range(3.0))[:, None])

        with tf.GradientTape() as tape:
            tape.watch(features)
            value = loss(features)
        change = loss(features + direction) - value
        along = tf.reduce_sum(tape.gradient(value, features) * direction)
        np.testing.assert_allclose(along, change, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("samples", [0, 2])
def test_points_outside_the_map_count_as_zero(samples):
    features = tf.ones((1, 4, 4, 1))
    # From 4 cells above the map to 4 below its top edge: the points over -1 see nothing, those under see 1.
    rois = tf.constant([[[-4.0, 0.0, 4.0, 4.0]]])
    for implementation in ("crop_and_resize", "gather"):
        pooled = roi_align(features, rois, stride=1, output_size=8, samples=samples, implementation=implementation)
        np.testing.assert_allclose(pooled[0, 0, :, 0, 0], [0, 0, 0, 0.5 if samples else 1, 1, 1, 1, 1], atol=1e-5)


def test_a_whole_rois_points_are_bounded_where_they_adapt():
    rng = np.random.default_rng(2)
    features = tf.constant(rng.normal(size=(1, 12, 12, 1)), tf.float32)
    rois = tf.constant([[[0.0, 0.0, 12.0, 12.0]]])  # 6 points a side of 2 bins
    bounded = [
        roi_align(features, rois, stride=1, output_size=2, samples=0, max_samples=3, implementation=implementation)
        for implementation in ("crop_and_resize", "gather")
    ]
    expected = roi_align(features, rois, stride=1, output_size=2, samples=3)
    for pooled in bounded:
        np.testing.assert_allclose(pooled, expected, atol=1e-5)


@pytest.mark.parametrize("dtype", [tf.bfloat16, tf.float16])
def test_low_precision_features_are_pooled_in_float32(dtype):
    rng = np.random.default_rng(3)
    features = tf.cast(rng.normal(size=(1, 9, 9, 4)), dtype)
    rois = random_rois(rng, (1, 12), 72, 72)
    expected = roi_align(tf.cast(features, tf.float32), rois, stride=8, output_size=7)
    for implementation, jit_compile in IMPLEMENTATIONS:

        def run(features, implementation=implementation):
            with tf.GradientTape() as tape:
                tape.watch(features)
                pooled = roi_align(features, rois, stride=8, output_size=7, implementation=implementation)
                loss = tf.reduce_sum(tf.cast(pooled, tf.float32))
            return pooled, tape.gradient(loss, features)

        pooled, gradient = compiled(run, jit_compile)(features)
        assert pooled.dtype == dtype and gradient.dtype == dtype
        # One rounding, of the result: half a unit in the last place.
        np.testing.assert_allclose(tf.cast(pooled, tf.float32), expected, rtol=2**-8, atol=1e-3)


def pyramid(rng, batch=2):
    return {f"P{n}": tf.constant(rng.normal(size=(batch, 64 >> n, 96 >> n, 3)), tf.float32) for n in range(2, 6)}


@pytest.mark.parametrize("samples", [0, 2])
def test_each_roi_is_pooled_from_its_level(samples):
    rng = np.random.default_rng(4)
    levels, rois = pyramid(rng), random_rois(rng, (2, 20), 64, 96)
    level_index = fpn_level(rois, canonical_size=32) - 2
    assert len(set(level_index.numpy().reshape(-1))) >= 3
    kwargs = {"output_size": 5, "samples": samples, "max_samples": 3}
    every = [roi_align(features, rois, stride=4 << n, **kwargs) for n, features in enumerate(levels.values())]
    expected = np.choose(level_index.numpy()[..., None, None, None], [one.numpy() for one in every])
    weights = tf.constant(rng.normal(size=expected.shape), tf.float32)
    gradients = []
    for implementation, jit_compile in IMPLEMENTATIONS:

        def run(levels, rois, implementation=implementation):
            with tf.GradientTape() as tape:
                tape.watch([levels, rois])
                pooled = roi_align_levels(levels, rois, level_index, implementation=implementation, **kwargs)
                loss = tf.reduce_sum(pooled * weights)
            to_levels, to_rois = tape.gradient(loss, [levels, rois])
            assert to_rois is None
            return pooled, to_levels

        pooled, to_levels = compiled(run, jit_compile)(levels, rois)
        assert pooled.shape == (2, 20, 5, 5, 3)
        np.testing.assert_allclose(pooled, expected, atol=1e-5)
        gradients.append(to_levels)
    for other in gradients[1:]:
        for level, gradient in gradients[0].items():
            assert np.abs(gradient).max() > 0
            np.testing.assert_allclose(other[level], gradient, atol=5e-5)


@pytest.mark.parametrize(("implementation", "jit_compile"), IMPLEMENTATIONS)
def test_levels_may_get_no_roi_and_indices_are_clipped(implementation, jit_compile):
    rng = np.random.default_rng(5)
    levels, rois = pyramid(rng, batch=1), random_rois(rng, (1, 6), 64, 96)

    def run(levels, level_index):
        with tf.GradientTape() as tape:
            tape.watch(levels)
            pooled = roi_align_levels(levels, rois, level_index, output_size=2, implementation=implementation)
        return pooled, tape.gradient(pooled, levels)

    function = compiled(run, jit_compile)
    pooled, gradients = function(levels, tf.ones((1, 6), tf.int32))
    np.testing.assert_allclose(pooled, roi_align(levels["P3"], rois, stride=8, output_size=2), atol=1e-5)
    assert [bool(tf.reduce_any(gradients[level] != 0)) for level in levels] == [False, True, False, False]
    pooled, _ = function(levels, tf.fill((1, 6), 7))
    np.testing.assert_allclose(pooled, roi_align(levels["P5"], rois, stride=32, output_size=2), atol=1e-5)


@pytest.mark.parametrize("implementation", ["crop_and_resize", "gather"])
def test_sizes_may_be_unknown_while_tracing(implementation):
    specs = [tf.TensorSpec((None, None, None, 3)), tf.TensorSpec((None, 4, 4))]

    @tf.function(input_signature=specs, autograph=False)
    def run(features, rois):
        pooled = roi_align(features, rois, stride=4, output_size=2, implementation=implementation)
        levels = {"P2": features, "P3": features[:, ::2, ::2]}
        both = roi_align_levels(levels, rois, tf.zeros_like(rois[..., 0]), output_size=2, implementation=implementation)
        assert pooled.shape.as_list() == both.shape.as_list() == [None, 4, 2, 2, 3]
        return pooled, both

    rng = np.random.default_rng(6)
    for batch, height in ((1, 8), (2, 12)):
        features = tf.constant(rng.normal(size=(batch, height, 10, 3)), tf.float32)
        rois = random_rois(rng, (batch, 4), height * 4, 40)
        pooled, both = run(features, rois)
        np.testing.assert_allclose(pooled, roi_align(features, rois, stride=4, output_size=2), atol=1e-5)
        np.testing.assert_allclose(both, pooled, atol=1e-6)


def test_the_implementation_follows_the_compiler():
    features, rois = tf.zeros((1, 8, 8, 2)), tf.zeros((1, 3, 4))

    def operations(jit_compile):
        function = compiled(lambda f: roi_align(f, rois, stride=4, output_size=2), jit_compile)
        graph = function.get_concrete_function(features).graph.as_graph_def()
        return {node.op for function in graph.library.function for node in function.node_def} | {
            n.op for n in graph.node
        }

    assert "CropAndResize" in operations(None) and "CropAndResize" not in operations(True)


def test_unknown_implementations_are_refused():
    with pytest.raises(ValueError, match="roi_align: implementation.*'fast'"):
        roi_align(tf.zeros((1, 8, 8, 2)), tf.zeros((1, 3, 4)), stride=4, output_size=2, implementation="fast")


@pytest.mark.parametrize(("implementation", "jit_compile"), IMPLEMENTATIONS)
def test_the_greatest_point_of_a_bin(implementation, jit_compile):
    rng = np.random.default_rng(7)
    features, rois = tf.constant(rng.normal(size=(2, 9, 11, 3)), tf.float32), random_rois(rng, (2, 6), 72, 88)
    kwargs = {"stride": 8, "implementation": implementation}

    def run(features):
        with tf.GradientTape() as tape:
            tape.watch(features)
            pooled = roi_align(features, rois, output_size=(2, 3), samples=2, pooling="max", **kwargs)
        return pooled, tape.gradient(pooled, features)

    pooled, gradient = compiled(run, jit_compile)(features)
    points = roi_align(features, rois, output_size=(4, 6), samples=1, **kwargs).numpy()
    points = points.reshape(2, 6, 2, 2, 3, 2, 3)  # bins, and points inside them
    np.testing.assert_allclose(pooled, points.max((3, 5)), atol=1e-5)
    np.testing.assert_allclose(tf.reduce_sum(gradient * features), tf.reduce_sum(pooled), rtol=1e-4)  # linear in them
    level = {"P3": features}
    of_level = roi_align_levels(level, rois, tf.zeros((2, 6)), output_size=(2, 3), pooling="max")
    np.testing.assert_allclose(of_level, pooled, atol=1e-5)


def test_the_greatest_of_points_that_adapt_is_refused():
    with pytest.raises(ValueError, match="a fixed number of samples, received 'max' of 0"):
        roi_align(tf.zeros((1, 8, 8, 2)), tf.zeros((1, 3, 4)), stride=4, output_size=2, samples=0, pooling="max")
