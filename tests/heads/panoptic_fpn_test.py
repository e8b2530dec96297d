"""Panoptic FPN's semantic head beside loops, and as a Keras layer."""

import numpy as np
import pytest

from panet_tf.heads.panoptic_fpn import PanopticFPNHead
from tests.layer_checks import check_layer
from tests.necks.slow_conv import block, relu
from tests.ops.panoptic_merge_test import resized

RNG = np.random.default_rng(0)
LEVELS = {f"P{n}": RNG.standard_normal((2, 64 >> n, 96 >> n, 6)).astype("float32") for n in (2, 3, 4, 5)}


def test_behaves_as_a_layer():
    kwargs = {"num_classes": 5, "filters": 8}
    trainable = 3 * (1 + 1 + 2 + 3) + 2
    check_layer(PanopticFPNHead, kwargs, LEVELS, (2, 16, 24, 5), trainable, dynamic_axes=(1, 2), mixed_dtypes="float32")


def test_levels_grow_in_stages_and_are_added_up():
    head = PanopticFPNHead(num_classes=5, filters=8, norm=None)
    found, convs, total = head(LEVELS), iter(head.convs), 0
    for n, levels in zip((2, 3, 4, 5), LEVELS.values()):
        x = levels[0]
        for _ in range(max(n - 2, 1)):
            x = relu(block(x, next(convs).conv))
            x = resized(x, (2 * x.shape[0], 2 * x.shape[1])) if n > 2 else x
        total = total + x
    np.testing.assert_allclose(found[0], block(total, head.predictor), atol=1e-5)  # float32
    assert next(convs, None) is None


def test_what_is_refused():
    with pytest.raises(ValueError, match="consecutive"):
        PanopticFPNHead(num_classes=2, levels=(2, 4))
    with pytest.raises(ValueError, match="upsample"):
        PanopticFPNHead(num_classes=2, upsample="cubic")
