"""The non-local block against sums over all pairs of cells, written out."""

import numpy as np
import pytest

from panet_tf.layers.non_local import PAIRS, NonLocalBlock
from panet_tf.layers.norms import NORMS
from tests.layer_checks import assert_close, check_layer, randomize

X = np.random.default_rng(0).standard_normal((2, 3, 4, 6)).astype("float32")


@pytest.mark.parametrize("kwargs, trainable, other", [({}, 10, 2), ({"pair": "gaussian", "norm": None}, 4, 0)])
def test_behaves_as_a_layer(kwargs, trainable, other):
    check_layer(NonLocalBlock, kwargs, X, X.shape, trainable, other, dynamic_axes=(1, 2))


@pytest.mark.parametrize("norm", NORMS)
def test_starts_as_the_identity_and_learns(norm):
    layer = NonLocalBlock(norm=norm)
    layer.build(X.shape)
    np.testing.assert_array_equal(layer(X), X)
    zeros = [w for w in layer.trainable_weights if not np.any(w) and w.path.split("/")[-1] in ("gamma", "kernel")]
    assert len(zeros) == 1


@pytest.mark.parametrize("subsample", [False, True])
@pytest.mark.parametrize("pair", PAIRS)
def test_every_cell_takes_from_every_other(pair, subsample):
    layer = NonLocalBlock(pair=pair, subsample=subsample, norm=None, filters=5)
    layer.build(X.shape)
    randomize(layer)
    if subsample:
        padded = np.pad(X, ((0, 0), (0, 1), (0, 0), (0, 0)), constant_values=-np.inf)  # 3 rows: the last has no pair
        seen = padded.reshape(2, 2, 2, 2, 2, 6).max((2, 4)).reshape(2, -1, 6)
    else:
        seen = X.reshape(2, -1, 6)
    cells = X.reshape(2, -1, 6)

    def linear(x, conv):
        return x @ np.asarray(conv.kernel)[0, 0] + (np.asarray(conv.bias) if conv.use_bias else 0)

    theta, phi = (cells, seen) if pair == "gaussian" else (linear(cells, layer.theta), linear(seen, layer.phi))
    expected = np.zeros_like(cells)
    for b, i in np.ndindex(cells.shape[:2]):
        f = phi[b] @ theta[b, i]
        if pair == "concatenation":
            both = np.concatenate([np.broadcast_to(theta[b, i], phi[b].shape), phi[b]], axis=1)
            kernels = [np.asarray(conv.kernel)[0, 0] for conv in (layer.concat_theta, layer.concat_phi)]
            f = np.maximum(both @ np.concatenate(kernels), 0)[:, 0]
        f = np.exp(f) / np.exp(f).sum() if "gaussian" in pair else f / len(f)
        expected[b, i] = cells[b, i] + linear(f @ linear(seen[b], layer.g), layer.w)
    assert_close(layer(X), expected.reshape(X.shape))


def test_unknown_pairs_are_refused():
    with pytest.raises(ValueError, match="pair must be one of.*'softmax'"):
        NonLocalBlock(pair="softmax")
