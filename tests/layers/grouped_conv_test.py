import keras
import numpy as np

from panet_tf.layers.grouped_conv import GroupedConv
from tests.layer_checks import assert_close, check_layer

X = np.random.default_rng(0).standard_normal((2, 7, 8, 12)).astype("float32")


def test_behaves_as_a_layer():
    kwargs = {"filters": 8, "groups": 4, "strides": 2, "padding": "same", "use_bias": True}
    check_layer(GroupedConv, kwargs, X, (2, 4, 4, 8), 2, dynamic_axes=(1, 2))


def test_is_kerass_own_convolution_but_for_speed():
    kwargs = dict(kernel_size=3, groups=2, dilation_rate=2, padding="same", name="conv")
    ours, theirs = GroupedConv(filters=6, **kwargs), keras.layers.Conv2D(6, **kwargs)
    ours.build(X.shape)
    theirs.build(X.shape)
    assert [w.path for w in ours.weights] == [w.path for w in theirs.weights]
    theirs.set_weights(ours.get_weights())
    assert_close(ours(X), theirs(X))
