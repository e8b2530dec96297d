import numpy as np
import pytest
import tensorflow as tf

from panet_tf.heads.keypoint import KeypointHead
from panet_tf.ops.keypoints import decode_keypoints
from tests.layer_checks import assert_close, check_layer, randomize
from tests.necks.slow_conv import block, relu

RNG = np.random.default_rng(0)
FOUR = tuple(RNG.standard_normal((2, 3, 5, 4, 6)).astype("f") for _ in range(4))
ONE = FOUR[:1]
SMALL = {"num_keypoints": 3, "num_convs": 3, "filters": 8}


@pytest.mark.parametrize(
    ("kwargs", "features", "trainable", "other"),
    [
        ({}, ONE, 8, 0),
        ({"norm": "group"}, FOUR, 20, 0),
        ({"norm": "batch", "num_convs": 1, "fuse": "before", "fusion": "sum"}, FOUR, 5, 2),
    ],
)
def test_behaves_as_a_layer(kwargs, features, trainable, other):
    check_layer(
        KeypointHead, {**SMALL, **kwargs}, features, (2, 3, 20, 16, 3), trainable, other, mixed_dtypes="float32"
    )


def test_is_the_papers():
    """Eight 3x3 convolutions of 512 and a deconvolution of 4 x 4 on 14 x 14 features of 256 channels, by hand."""
    head = KeypointHead()
    head.build([(None, None, 14, 14, 256)])
    convs = 9 * 512 * (256 + 7 * 512) + 8 * 512
    assert head.count_params() == convs + 16 * 512 * 17 + 17
    std = np.std(np.asarray(head.predictor.kernel))
    np.testing.assert_allclose(std, np.sqrt(2 / (512 * 16)), rtol=0.02)  # He's by what torch calls fan_out


def slow_logits(head, features):
    """Logits of one region, cell by cell: (20, 16, J)."""
    x = np.max([relu(block(x, part.conv)) for x, part in zip(features, head.first.layers)], axis=0)
    for conv in head.convs:
        x = relu(block(x, conv.conv))
    kernel, bias = (np.asarray(w) for w in head.predictor.weights)
    low = np.zeros((12, 10, 3)) + bias
    for i, j, a, b in np.ndindex(5, 4, 4, 4):
        low[2 * i + a, 2 * j + b] += kernel[a, b] @ x[i, j]
    low = low[1:-1, 1:-1]  # torch's padding=1
    high = np.zeros((20, 16, 3))
    for i, j in np.ndindex(20, 16):
        y, x = np.clip((i + 0.5) / 2 - 0.5, 0, 9), np.clip((j + 0.5) / 2 - 0.5, 0, 7)
        for a, b in np.ndindex(10, 8):
            high[i, j] += max(0, 1 - abs(y - a)) * max(0, 1 - abs(x - b)) * low[a, b]
    return high


@pytest.mark.parametrize("features", [ONE, FOUR], ids=["one level", "four levels"])
def test_equals_a_slow_twin(features):
    head = KeypointHead(**SMALL)
    head(features)
    randomize(head)
    found = head(features)
    for b, r in ((0, 0), (1, 2)):
        assert_close(found[b, r], slow_logits(head, [x[b, r] for x in features]))


def test_compiles_with_its_gradient():
    head = KeypointHead(**{**SMALL, "num_convs": 1})
    head(ONE)
    randomize(head)

    def gradients():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(head(ONE, training=True) ** 2)
        return tape.gradient(loss, [w.value for w in head.trainable_weights])

    assert_close(tf.function(gradients, jit_compile=True)(), gradients(), rtol=1e-3)


def test_says_how_its_maps_are_read():
    logits, rois = RNG.standard_normal((1, 2, 8, 8, 3)).astype("f"), np.float32([[[0, 0, 9, 9], [5, 5, 30, 7]]])
    found = KeypointHead(**SMALL, subcell=None, score="logit").decode(logits, rois)
    np.testing.assert_array_equal(found, decode_keypoints(logits, rois, subcell=None, score="logit"))
    softmax = decode_keypoints(logits, rois)
    for score in ("softmax", "resized_softmax"):
        np.testing.assert_array_equal(KeypointHead(**SMALL, score=score).decode(logits, rois), softmax)


@pytest.mark.parametrize("wrong", [{"num_keypoints": 0}, {"subcell": "x"}, {"score": "x"}, {"fusion": "mean"}])
def test_unknown_options(wrong):
    with pytest.raises(ValueError, match=f"{list(wrong)[0]}.* must be"):
        KeypointHead(**{**SMALL, **wrong})
