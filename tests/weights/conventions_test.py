"""Conventions of other programs on a built model: they are set, seen by compiled functions, kept by files, and told."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.backbones.resnet import resnet
from panet_tf.data.preprocessing import Preprocessing
from panet_tf.models.mask_rcnn import mask_rcnn
from panet_tf.models.torchvision_rcnn import torchvision_rcnn
from panet_tf.weights import conventions, load
from panet_tf.weights.conventions import set_conventions
from tests.models.tiny import CATEGORIES, batch_of_boxes, tiny_backbone, tiny_panet
from tests.torchvision_shapes import torchvision_shapes

SOURCES = {
    "torchvision": conventions.torchvision(epsilon=0.0),
    "detectron2": conventions.detectron2(),
    "mmdetection": conventions.mmdetection(),
    "panet": conventions.panet(),
}


@pytest.fixture(scope="module")
def model():
    return tiny_panet()


@pytest.fixture(scope="module")
def inputs():
    return {key: value for key, value in batch_of_boxes(batch=1).items() if key in ("images", "image_sizes", "scales")}


def settings_of(model):
    """What `get_config` says of all parts, without their names."""
    config = model.get_config()
    parts = ("anchor_generator", "anchor_sampler", "proposal_selector", "roi_sampler", "detection_selector")
    parts += ("box_pooling", "mask_pooling")
    found = {part: dict(config[part]["config"]) for part in parts}
    for part in found.values():
        part.pop("name")
    return found | {name: config[name] for name in ("rpn_beta", "box_beta", "whole_pixels")}


@pytest.mark.parametrize("name", SOURCES)
def test_every_setting_is_told_and_kept_by_the_configuration(name, model):
    done = set_conventions(model, SOURCES[name])
    config = settings_of(model)
    for place, value, _ in done:
        part, _, attribute = place.rpartition(".")
        if part == "":
            assert config[attribute] == value
        elif part in config:
            assert config[part][attribute] == value
    told = {place for place, _, _ in done}
    for part in ("anchor_generator", "box_pooling", "detection_selector", "roi_sampler", "model"):
        for attribute in SOURCES[name].get(part, {}):
            owner = model if part == "model" else getattr(model, part)
            assert (attribute if part == "model" else f"{part}.{attribute}") in told or not hasattr(owner, attribute)
    assert {"anchor_generator.offset", "box_pooling.aligned", "rpn_beta", "whole_pixels"} <= told
    again = dict.fromkeys(place for place, value, old in set_conventions(model, SOURCES[name]) if value == old)
    assert set(again) == {place for place in told if place.rpartition(".")[2] not in Preprocessing().get_config()} | {
        "preprocessing.mean",
        "preprocessing.std",
    }


def test_compiled_functions_and_files_do_as_the_model(inputs, tmp_path):
    model = tiny_panet(build=mask_rcnn)
    few = {
        "proposal_selector": {"pre_nms_top_k": (32, 16), "post_nms_top_k": (16, 8)},
        "detection_selector": {"score_threshold": 0.0},
    }
    set_conventions(model, SOURCES["torchvision"])
    set_conventions(model, few)
    before = model.predict(inputs, verbose=0)
    set_conventions(model, SOURCES["panet"])
    set_conventions(model, few)
    after = model.predict(inputs, verbose=0)
    assert np.abs(after["boxes"] - before["boxes"]).max() > 0.1
    for key, value in model({key: tf.constant(value) for key, value in inputs.items()}).items():
        np.testing.assert_allclose(after[key], value, rtol=1e-4, atol=1e-4)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert settings_of(again) == settings_of(model) and again.whole_pixels == "inclusive"
    assert again.preprocessing.get_config() == model.preprocessing.get_config()
    for key, value in again({key: tf.constant(value) for key, value in inputs.items()}).items():
        np.testing.assert_allclose(value, after[key], rtol=1e-4, atol=1e-4)


def test_detectrons_anchors(model):
    set_conventions(model, SOURCES["panet"])
    model.anchor_generator.sizes = (32, 64, 128, 256, 512)
    cell = model.anchor_generator({f"N{n}": tf.zeros((1, 1, 1, 1)) for n in range(2, 7)})["N2"].numpy()
    np.testing.assert_array_equal(cell[:, 2:] - cell[:, :2], [(24, 48), (32, 32), (48, 24)])
    np.testing.assert_array_equal((cell[:, 2:] + cell[:, :2]) / 2, np.full((3, 2), 2.0))


def test_torchvisions_are_those_of_its_builder():
    parts = {"categories": CATEGORIES, "backbone": tiny_backbone(), "filters": 8}
    ours, theirs = mask_rcnn(**parts), torchvision_rcnn(**parts)
    set_conventions(ours, conventions.torchvision())
    assert settings_of(ours) == settings_of(theirs)


@pytest.fixture(scope="module")
def arrays():
    shapes = torchvision_shapes(3, blocks=(2, 2, 2, 2), filters=8, masks=False, bottleneck=False)
    return {name: np.full(shape, 0.25, "f") for name, shape in shapes.items() if "backbone.body" in name}


@pytest.mark.parametrize(
    ("name", "given", "epsilon"),
    [
        ("fasterrcnn_resnet50_fpn_coco-258fb6c6.npz", None, 0.0),
        ("fasterrcnn_resnet50_fpn_coco-258fb6c6.npz", 1e-4, 1e-4),
        ("my_run.npz", None, 1e-5),
    ],
)
def test_published_coco_files_have_no_epsilon(name, given, epsilon, arrays, tmp_path):
    stub = {"rpn.head.cls_logits.weight": np.zeros((3, 8, 1, 1), "f")}  # by which the program is recognised
    np.savez(tmp_path / name, **arrays, **stub)
    backbone = resnet(18)
    report = load(backbone, tmp_path / name, epsilon=given, verbose=False)
    assert {layer.epsilon for layer in backbone.layers if hasattr(layer, "epsilon")} == {epsilon}
    assert ("backbone.epsilon" in {place for place, _, _ in report.conventions}) == (epsilon != 1e-5)
    assert ("backbone.epsilon: 0.0, was 1e-05" in str(report)) == (epsilon == 0)


def test_the_report_tells_and_a_user_may_refuse(model, capsys):
    kernel = next(weight for weight in model.rpn_head.weights if "objectness" in weight.path)
    arrays = {
        "backbone.fpn_lateral2.weight": np.zeros((8, 8, 1, 1), "f"),
        "proposal_generator.rpn_head.objectness_logits.weight": np.ones((3, 8, 1, 1), "f"),
    }
    set_conventions(model, SOURCES["torchvision"])
    report = load(model, arrays, conventions=False, verbose=False)
    assert report.conventions == () and model.anchor_generator.stride == "ratio" and (kernel.numpy() == 1).all()
    load(model, arrays)
    assert model.anchor_generator.stride == "level" and model.box_pooling.samples == 0
    assert "anchor_generator.stride: level, was ratio" in capsys.readouterr().out


def test_preprocessing_keeps_its_sizes_and_gets_the_mean_and_the_std(model):
    model.preprocessing = Preprocessing(canvases=((64, 96),), short_side=None)
    set_conventions(model, SOURCES["panet"])
    assert model.preprocessing.canvases == ((64, 96),) and model.preprocessing.short_side is None
    assert model.preprocessing.mean == (122.7717, 115.9465, 102.9801) and model.preprocessing.std == (1.0, 1.0, 1.0)
    model.preprocessing = None
    set_conventions(model, SOURCES["panet"])
    assert (model.preprocessing.short_side, model.preprocessing.long_side) == (1000, 1400)


def test_strides_move_only_where_there_is_padding_for_them():
    images = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 1, strides=2, name="layer2_0_conv1")(images)
    x = keras.layers.Conv2D(4, 3, padding="same", name="layer2_0_conv2")(x)
    backbone = keras.Model(images, keras.layers.Conv2D(8, 1, name="layer2_0_conv3")(x))
    set_conventions(backbone, {"backbone": {"stride_in": "1x1"}})
    with pytest.raises(ValueError, match='Build it with stride_in="3x3"'):
        set_conventions(backbone, {"backbone": {"stride_in": "3x3"}})


@pytest.mark.parametrize("built", ["1x1", pytest.param("3x3", marks=pytest.mark.slow)])
def test_moved_strides_are_those_of_a_backbone_built_so(built):
    wanted = {"1x1": "3x3", "3x3": "1x1"}[built]
    moved, plain = resnet(50, stride_in=built), resnet(50, stride_in=wanted)
    plain.set_weights(moved.get_weights())
    set_conventions(moved, {"backbone": {"stride_in": wanted}})
    image = np.random.default_rng(0).standard_normal((1, 32, 64, 3)).astype("f")
    for found, expected in zip(moved(image).values(), plain(image).values()):
        np.testing.assert_array_equal(found, expected)


def test_what_is_asked_for_must_be_there(model):
    with pytest.raises(ValueError, match="source must be one of .*received 'detectron'. Did you mean 'detectron2'"):
        load(model, {"a": np.zeros(1)}, source="detectron")
    with pytest.raises(ValueError, match="no arrays of a detector of panet, their names begin with .'a'"):
        load(model, {"a": np.zeros(1)}, source="panet")
    with pytest.raises(ValueError, match="style must be one of .*received 'keras'"):
        load(model, {"a": np.zeros(1)}, style="keras")
    with pytest.raises(ValueError, match="Nothing in a dict fits the model"):
        load(model, {"a": np.zeros(1)})
