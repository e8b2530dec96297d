"""Which layers a stage is."""

import keras
import numpy as np
import pytest

from panet_tf.backbones.freezing import freeze
from panet_tf.backbones.mobilenet_v2 import mobilenet_v2
from panet_tf.backbones.resnet import resnet


def _frozen(model):
    return {layer.name for layer in model.layers if layer.weights and not layer.trainable}


@pytest.mark.parametrize("stages", range(6))
def test_stages_of_a_resnet_are_the_stem_and_its_layers(stages):
    model = freeze(resnet(18, norm="batch"), stages)
    heads = ("conv1", "bn1", *(f"layer{i}" for i in range(1, stages)))
    expected = {layer.name for layer in model.layers if layer.weights and layer.name.split("_")[0] in heads}
    assert _frozen(model) == (expected if stages else set())
    assert len(expected) > 1 or not stages


def test_stages_of_mobilenet_v2_follow_its_levels():
    model = freeze(mobilenet_v2(norm="batch"), 2)
    blocks = {int(name.split("_")[1]) for name in _frozen(model)}
    assert blocks == {0, 1, 2, 3}


def test_frozen_batch_norms_do_not_move():
    model = freeze(resnet(18, norm="batch"), 2)
    before = {w.path: np.array(w) for w in model.weights if "moving" in w.path}
    model(np.random.default_rng(0).standard_normal((2, 32, 32, 3)).astype("float32"), training=True)
    moved = {w.path for w in model.weights if w.path in before and not np.array_equal(before[w.path], w)}
    assert {path.split("_")[0] for path in moved} == {"layer2", "layer3", "layer4"}


def test_freezing_is_kept_in_a_file(tmp_path):
    model = freeze(resnet(18, norm="batch"), 3)
    model.save(tmp_path / "model.keras")
    assert _frozen(keras.saving.load_model(tmp_path / "model.keras")) == _frozen(model) != set()


def test_wrong_numbers_are_refused():
    with pytest.raises(ValueError, match="from 0 to 5, received 6"):
        freeze(resnet(18), 6)
