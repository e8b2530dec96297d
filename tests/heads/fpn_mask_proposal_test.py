import numpy as np
import pytest
import tensorflow as tf

from panet_tf.heads.fpn_mask_proposal import FPNMaskProposalHead
from tests.layer_checks import check_layer


def levels(seed=0):
    rng = np.random.default_rng(seed)
    return {name: np.float32(rng.standard_normal((2, *size, 4))) for name, size in (("P2", (6, 7)), ("P3", (3, 4)))}


def test_keras_part_and_both_ways_to_the_scores(tmp_path):
    indices = np.int32([[0, 41, 42, 53, 17], [6, 35, 45, 50, 20]])
    layer = check_layer(
        FPNMaskProposalHead,
        {"window": 5, "filters": 6, "mask_size": 3},
        levels(),
        {"scores": (2, 5), "mask_logits": (2, 5, 3, 3)},
        6,
        extra_inputs=(indices,),
        dynamic_axes=(1, 2),
        mixed_dtypes="float32",
        tmp_path=tmp_path,
    )
    dense = np.concatenate(list(layer.scores(levels()).values()), axis=1)
    assert dense.shape == (2, 42 + 12)
    at = layer(levels(), tf.constant(indices))["scores"]
    np.testing.assert_allclose(at, np.take_along_axis(dense, indices, 1), rtol=1e-4, atol=1e-5)  # sums in other orders


def test_a_window_by_hand():
    layer = FPNMaskProposalHead(window=3, filters=5, mask_size=2)
    features = levels(1)
    layer(features, tf.constant([[0], [0]]))
    y, x = 2, 6  # at the right edge: zeros beyond it
    window = np.zeros((3, 3, 4))
    window[:, :2] = features["P2"][1, 1:4, 5:7]
    vector = np.maximum(np.einsum("ijc,ijcf->f", window, layer.hidden.kernel.numpy()), 0)
    found = layer(features, tf.constant([[0], [y * 7 + x]]))
    mask = (vector @ layer.mask.kernel.numpy()).reshape(2, 2)
    np.testing.assert_allclose(found["mask_logits"][1, 0], mask, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found["scores"][1, 0], vector @ layer.score.kernel.numpy()[:, 0], rtol=1e-4, atol=1e-6)


def test_even_windows_are_refused():
    with pytest.raises(ValueError, match="odd number of cells, .* received 4"):
        FPNMaskProposalHead(window=4)
