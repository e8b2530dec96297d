"""Deformable convolution against torchvision, against algebra, and its gradients against finite differences."""

import numpy as np
import pytest
import tensorflow as tf

from panet_tf.ops.deform_conv import deform_conv

RNG = np.random.default_rng(0)


def random(*shape, scale=1.0):
    return tf.constant(scale * RNG.standard_normal(shape), tf.float32)


@pytest.mark.golden
@pytest.mark.parametrize("jit_compile", [None, True])
def test_values_equal_torchvision(golden, jit_compile):
    recorded = golden("ops")
    x, offset, mask, v1, v2 = (
        recorded[f"dcn_{name}"].transpose(0, 2, 3, 1) for name in ("x", "offset", "mask", "v1", "v2")
    )
    kernel = recorded["dcn_w"].transpose(2, 3, 1, 0)
    run = tf.function(deform_conv, jit_compile=jit_compile)
    padding = kernel.shape[0] // 2
    np.testing.assert_allclose(run(x, kernel, offset, padding=padding), v1, atol=1e-4)  # float32, sums of 36 terms
    np.testing.assert_allclose(run(x, kernel, offset, mask, padding=padding), v2, atol=1e-4)


@pytest.mark.parametrize(
    "strides, padding, dilations, groups, kernel",
    [(1, 1, 1, 1, 3), (1, 2, 2, 2, 3), (2, 1, 1, 2, 3), ((1, 2), (0, 1), 1, 1, (1, 3))],
)
def test_without_offsets_it_is_a_convolution(strides, padding, dilations, groups, kernel):
    pair = lambda value: (value, value) if isinstance(value, int) else value  # noqa: E731
    (kh, kw), pads = pair(kernel), pair(padding)
    x, weights = random(2, 9, 8, 4), random(kh, kw, 4 // groups, 6)
    padded = tf.pad(x, ((0, 0), *((p, p) for p in pads), (0, 0)))
    parts = zip(tf.split(padded, groups, -1), tf.split(weights, groups, -1))
    expected = tf.concat(
        [tf.nn.convolution(a, b, pair(strides), "VALID", dilations=pair(dilations)) for a, b in parts], axis=-1
    )
    options = dict(strides=strides, padding=padding, dilations=dilations, groups=groups)
    found = deform_conv(x, weights, tf.zeros((*expected.shape[:3], 2 * kh * kw * 2)), **options)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_whole_offsets_move_each_tap_and_group_by_cells():
    x, weights = random(1, 6, 7, 4), random(1, 1, 4, 2)
    offsets = tf.broadcast_to(tf.constant([1.0, 0.0, 0.0, -2.0]), (1, 6, 7, 4))  # first two channels down, others left
    moved = np.zeros((1, 6, 7, 4), "f")
    moved[:, :-1, :, :2] = x[:, 1:, :, :2]
    moved[:, :, 2:, 2:] = x[:, :, :-2, 2:]
    np.testing.assert_allclose(deform_conv(x, weights, offsets), moved @ weights[0, 0], atol=1e-6)


def test_gradients_are_those_of_the_values(groups=2, deform_groups=2):
    x, kernel = random(2, 6, 5, 4), random(3, 3, 4 // groups, 4)
    offsets = random(2, 3, 3, 18 * deform_groups)
    # Away from whole cells, where the value has a kink.
    offsets = tf.math.floor(offsets) + tf.constant(RNG.uniform(0.2, 0.8, offsets.shape), tf.float32)
    mask = random(2, 3, 3, 9 * deform_groups)
    weights = random(2, 3, 3, 4)

    def loss(*arguments):
        return tf.reduce_sum(weights * deform_conv(*arguments, strides=2, padding=1, groups=groups))

    arguments = [x, kernel, offsets, mask]
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        value = loss(*arguments)
    gradients = tape.gradient(value, arguments)
    for i, gradient in enumerate(gradients):
        for _ in range(3):
            direction = random(*arguments[i].shape, scale=0.02)  # offsets move by less than 0.1 cells: no kink is met
            ends = [loss(*arguments[:i], arguments[i] + s * direction, *arguments[i + 1 :]) for s in (0.5, -0.5)]
            along = float(tf.reduce_sum(gradient * direction))
            np.testing.assert_allclose(ends[0] - ends[1], along, rtol=0.02, atol=2e-4)
    compiled = tf.function(lambda *a: tf.gradients(loss(*a), a), jit_compile=True)(*arguments)
    for a, b in zip(compiled, gradients):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_places_far_outside_count_as_zero_and_pull_nowhere():
    x, kernel = random(1, 4, 4, 2), random(1, 1, 2, 3)
    offsets = tf.fill((1, 4, 4, 2), 1e9)
    with tf.GradientTape() as tape:
        tape.watch([x, offsets])
        y = deform_conv(x, kernel, offsets)
    assert not np.any(y) and not any(np.any(g) for g in tape.gradient(y, [x, offsets]))


def test_bfloat16_is_computed_in_float32():
    x, kernel, offsets = random(1, 5, 5, 2), random(3, 3, 2, 2), random(1, 5, 5, 18)
    found = deform_conv(*(tf.cast(v, tf.bfloat16) for v in (x, kernel)), offsets, padding=1)
    exact = [tf.cast(tf.cast(v, tf.bfloat16), tf.float32) for v in (x, kernel)]
    assert found.dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(found, "float32"), deform_conv(*exact, offsets, padding=1), rtol=1e-2, atol=1e-3)


def test_what_does_not_fit_is_refused():
    x, kernel = random(1, 4, 4, 4), random(3, 3, 4, 2)
    with pytest.raises(ValueError, match=r"offsets must have 2 \* 9 channels"):
        deform_conv(x, kernel, random(1, 4, 4, 20))
    with pytest.raises(ValueError, match="mask must have 9 channels"):
        deform_conv(x, kernel, random(1, 4, 4, 18), random(1, 4, 4, 8))
