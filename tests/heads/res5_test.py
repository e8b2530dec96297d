"""The last stage on regions against the stage of a whole network."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.backbones.resnet import resnet
from panet_tf.heads.res5 import Res5Head
from tests.layer_checks import assert_close, check_layer, randomize

X = np.random.default_rng(0).standard_normal((1, 2, 4, 4, 32)).astype("float32")


def test_behaves_as_a_layer():
    # A block: three convolutions and a shortcut, four vectors of each norm. One block, for it has 2048 channels.
    kwargs = {"blocks": 1, "strides": 2}
    check_layer(Res5Head, kwargs, (X,), ((1, 2, 2, 2, 2048),), 4, 16, mixed_tolerance=0.1)


@pytest.mark.parametrize("options", [{"groups": 32, "width_per_group": 1}, {"deform_blocks": 1, "squeeze": 16}])
def test_options_are_those_of_the_networks(options):
    head = Res5Head(blocks=1, **options)
    (y,) = Res5Head.from_config(head.get_config())((X,))
    assert y.shape == (1, 2, 4, 4, 2048)


def test_it_is_the_stage_of_a_network(strides=2):
    network = resnet(50)
    randomize(network)
    stage = keras.Model(network.output["C4"], network.output["C5"])
    head = Res5Head(strides=strides)
    features = np.random.default_rng(1).standard_normal((1, 2, 3, 3, 1024)).astype("float32")
    head.build([features.shape])
    values = {w.path: w for w in network.weights}
    for weight in head.weights:
        weight.assign(values[weight.path[weight.path.find("layer4_") :]])
    (found,) = head((features,))
    assert_close(found[0], stage(tf.constant(features[0])))
