import numpy as np
import pytest

from panet_tf.heads.vgg_box import VGGBoxHead, vgg_box_head
from tests.layer_checks import check_layer


def features(seed=0, channels=3):
    return (np.float32(np.random.default_rng(seed).standard_normal((2, 4, 7, 7, channels))),)


def test_keras_part(tmp_path):
    check_layer(
        VGGBoxHead,
        {"num_classes": 2, "units": 8},
        features(),
        {"class_logits": (2, 4, 3), "box_deltas": (2, 4, 2, 4)},
        8,
        mixed_dtypes="float32",
        tmp_path=tmp_path,
    )


def test_dropout_works_in_training_alone():
    head = VGGBoxHead(num_classes=2, units=64, dropout=0.5)
    inputs = features()
    head(inputs)
    plain = head.hidden(inputs).numpy()
    np.testing.assert_array_equal(plain, head.hidden(inputs, training=False))
    dropped = head.hidden(inputs, training=True).numpy()
    assert 0.3 < np.mean(dropped[plain > 0] == 0) < 0.7


def test_weights_of_a_classifier_see_channels_in_their_order(tmp_path):
    """torchvision flattens channels before rows and columns."""
    rng = np.random.default_rng(1)
    arrays = {"classifier.0.weight": rng.standard_normal((8, 3 * 49)), "classifier.0.bias": rng.standard_normal(8)}
    arrays |= {"classifier.3.weight": rng.standard_normal((8, 8)), "classifier.3.bias": rng.standard_normal(8)}
    np.savez(tmp_path / "vgg16.npz", **{name: value.astype("float32") for name, value in arrays.items()})
    head = vgg_box_head(num_classes=2, units=8, channels=3, weights=tmp_path / "vgg16.npz")
    (inputs,) = features()
    flat = inputs.reshape(8, 7, 7, 3).transpose(0, 3, 1, 2).reshape(8, -1)
    expected = np.maximum(flat @ arrays["classifier.0.weight"].T + arrays["classifier.0.bias"], 0)
    expected = np.maximum(expected @ arrays["classifier.3.weight"].T + arrays["classifier.3.bias"], 0)
    np.testing.assert_allclose(head.hidden((inputs,)), expected, rtol=1e-4, atol=1e-3)  # sums of 147 products
    with pytest.raises(ValueError, match="must be of the layer's"):
        vgg_box_head(num_classes=2, units=6, channels=3, weights=tmp_path / "vgg16.npz")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(ValueError, match="VGG classifier has the weights classifier.0.weight"):
        vgg_box_head(num_classes=2, units=8, channels=3, weights=tmp_path / "other.npz")
    assert not vgg_box_head(num_classes=2).built
