"""SharpMask's refinement: both forms are one, and what loops give."""

import numpy as np
import pytest
import tensorflow as tf

from panet_tf.heads.refinement import RefinementHead
from panet_tf.heads.refinement_module import RefinementModule
from tests.layer_checks import assert_close, check_layer, randomize

LEVELS = {"C3": 5, "C2": 4}  # channels
SMALL = {"size": 3, "channels": 4, "levels": ("C3", "C2"), "hidden_channels": (6, 5)}


def encodings_and_levels(windows=2, context=1, seed=0):
    """Vectors, and levels around windows of 3 and 6 cells with 1 and 2 of context."""
    rng = np.random.default_rng(seed)
    sides = {"C3": 3 + 2 * context, "C2": 6 + 4 * context}
    levels = {k: rng.normal(size=(windows, sides[k], sides[k], c)).astype("float32") for k, c in LEVELS.items()}
    return rng.normal(size=(windows, 7)).astype("float32"), levels


def test_layers(tmp_path):
    encodings, levels = encodings_and_levels()
    # an encoding; twice horizontal 2 + 2, vertical 2, join 2 + 1; the last 2
    check_layer(
        RefinementHead, SMALL, encodings, (2, 12, 12), 2 + 2 * 9 + 2, extra_inputs=(levels,), tmp_path=tmp_path,
        mixed_tolerance=0.1,
    )  # fmt: skip
    x = np.random.default_rng(0).normal(size=(2, 3, 3, 4)).astype("float32")
    module = RefinementModule(channels=4, skip_channels=0, filters=2)
    assert module(x).shape == (2, 6, 6, 2) and module.share(x) is None
    for arguments, message in (
        ({"form": "folded"}, "form must"),
        ({"upsample": "cubic"}, "upsample must"),
        ({"vertical": False}, "one channel"),
    ):
        with pytest.raises(ValueError, match=message):
            RefinementModule(channels=4, skip_channels=4, filters=2, **arguments)
    for arguments, message in (({"mode": "none"}, "mode must"), ({"schedule": "c"}, "schedule must"),
                               ({"hidden_channels": (4,)}, "hidden"), ({"levels": ()}, "at least one")):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            RefinementHead(**{**SMALL, **arguments})
    assert RefinementHead(size=3, levels=("C3", "C2", "C1")).hidden_channels == (64, 64, 32)


@pytest.mark.parametrize("upsample", ["nearest", "bilinear"])
@pytest.mark.parametrize("schedule, context", [("halving", 1), ("constant", 0)])
def test_the_refactored_form_equals_the_plain_one(schedule, context, upsample):
    """Figure 3.7: convolving the concatenation is the sum of two convolutions, at every cell."""
    encodings, levels = encodings_and_levels(context=context)
    kwargs = {**SMALL, "schedule": schedule, "upsample": upsample}
    heads = [RefinementHead(**kwargs, form=form) for form in ("refactored", "plain")]
    for head in heads:
        head(encodings, levels)
        randomize(head)
    refactored, plain = (head(encodings, levels).numpy() for head in heads)
    np.testing.assert_allclose(refactored, plain, atol=1e-5 * np.abs(plain).max())
    assert heads[1].refiners[0].border == 1 and heads[0].refiners[0].border == 0
    assert heads[0].capacities == ((4, 2, 1) if schedule == "halving" else (4, 4, 4))


def slow_conv(x, layer, relu):
    """3x3 convolution of one map whose border is mirrored, float64."""
    padded = np.pad(np.asarray(x, "float64"), ((1, 1), (1, 1), (0, 0)), "symmetric")
    return slow_valid_conv(padded, np.asarray(layer.kernel, "float64"), layer.bias, relu)


def slow_valid_conv(x, kernel, bias, relu):
    height, width = x.shape[0] - 2, x.shape[1] - 2
    y = np.zeros((height, width, kernel.shape[-1]))
    for i in range(height):
        for j in range(width):
            y[i, j] = np.tensordot(x[i : i + 3, j : j + 3], kernel, 3)
    y += 0 if bias is None else np.asarray(bias, "float64")
    return np.maximum(y, 0) if relu else y


@pytest.mark.parametrize("mode", ["full", "deconv", "skip"])
def test_every_mode_is_what_loops_give(mode):
    encodings, levels = encodings_and_levels(windows=1)
    head = RefinementHead(**SMALL, mode=mode)
    head(encodings, levels)
    randomize(head)
    k = head.capacities[0]
    x = (encodings[0] @ head.encoding.kernel.numpy() + head.encoding.bias.numpy()).reshape(3, 3, k)
    summands = [x]
    for i, (name, refiner) in enumerate(zip(("C3", "C2"), head.refiners)):
        size, cut = 3 << i, 1 << i
        if mode != "deconv":
            skip = slow_conv(slow_conv(levels[name][0], refiner.horizontal1, True), refiner.horizontal2, mode == "full")
        if mode == "skip":
            summands.append(skip[cut:-cut, cut:-cut])
            continue
        x = np.pad(slow_conv(x, refiner.vertical1, True), ((1, 1), (1, 1), (0, 0)), "symmetric")
        kernel = refiner.join.kernel.numpy()
        if mode == "full":
            around = np.pad(skip, ((1, 1), (1, 1), (0, 0)), "symmetric")[cut : cut + size + 2, cut : cut + size + 2]
            x, kernel = np.concatenate([x, around], -1), np.concatenate([kernel, refiner.join_skip.kernel.numpy()], 2)
        x = slow_valid_conv(x, kernel, refiner.join.bias, True).repeat(2, 0).repeat(2, 1)
    if mode == "skip":  # the mean of every level's own map at the last resolution, each doubled step by step
        doubled = [summands[0]] + summands[1:]
        for i in range(3):
            for _ in range(2 - max(i - 1, 0)):
                size = 2 * doubled[i].shape[0]
                doubled[i] = tf.image.resize(doubled[i], (size, size)).numpy()
        wanted = np.mean(doubled, axis=0)[..., 0]
    else:
        wanted = slow_conv(x, head.last, False)[..., 0]
    assert_close(head(encodings, levels)[0], wanted, rtol=1e-4)


def test_other_levels_may_be_left_out():
    """Deconv needs no features, skip no convolution on the way down."""
    encodings, levels = encodings_and_levels()
    deconv, skip = RefinementHead(**SMALL, mode="deconv"), RefinementHead(**SMALL, mode="skip")
    deconv(encodings, levels), skip(encodings, levels)
    assert len(deconv.trainable_weights) == 2 + 2 * 4 + 2 and len(skip.trainable_weights) == 2 + 2 * 4
    zeros = {name: np.zeros_like(level) for name, level in levels.items()}
    np.testing.assert_array_equal(deconv(encodings, levels), deconv(encodings, zeros))
    assert np.abs(skip(encodings, levels) - skip(encodings, zeros)).max() > 0
