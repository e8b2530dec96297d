import keras
import numpy as np

from panet_tf.backbones.classifier import classifier
from panet_tf.backbones.resnet import resnet
from tests.layer_checks import assert_close


def test_mean_of_the_coarsest_level_and_one_layer():
    backbone = resnet(18)
    model = classifier(backbone, 7, dropout=0.2)
    x = np.random.default_rng(0).standard_normal((2, 64, 64, 3)).astype("float32")
    fc = model.get_layer("fc")
    features = np.asarray(backbone(x)["C5"]).mean((1, 2))
    assert_close(model(x), features @ np.asarray(fc.kernel) + np.asarray(fc.bias))
    assert [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)] == [0.2]
