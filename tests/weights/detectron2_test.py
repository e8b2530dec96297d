"""detectron2's detectors in small: each array has one place, and numbers mean there what they meant here."""

import functools

import keras
import numpy as np
import pytest

from panet_tf.backbones.resnet import resnet
from panet_tf.heads.box import BoxHead
from panet_tf.heads.dense import DenseHead
from panet_tf.heads.keypoint import KeypointHead
from panet_tf.heads.mask import MaskHead
from panet_tf.heads.panoptic_fpn import PanopticFPNHead
from panet_tf.models.cascade_rcnn import cascade_rcnn
from panet_tf.models.faster_rcnn import faster_rcnn
from panet_tf.models.keypoint_rcnn import keypoint_rcnn
from panet_tf.models.mask_rcnn import mask_rcnn
from panet_tf.models.oanet import panoptic_fpn
from panet_tf.models.retinanet import retinanet
from panet_tf.weights import load
from panet_tf.weights.detectron2 import detectron2_style
from panet_tf.weights.sources import find_source
from tests.backbones import torch_twins
from tests.detectron2_shapes import detectron2_shapes

FILTERS, UNITS, CLASSES = 4, 6, 3
CATEGORIES = [{"id": i, "name": f"category {i}"} for i in range(1, CLASSES + 1)]
PANOPTIC = [{"id": i, "name": str(i), "isthing": int(i <= CLASSES)} for i in range(1, CLASSES + 3)]
SMALL = {"filters": FILTERS, "units": UNITS}


@functools.cache
def backbone():
    """One for all the models here."""
    return resnet(50)


def box_head(**kwargs):
    return BoxHead(num_classes=CLASSES, units=UNITS, **kwargs)


def mask_head():
    return MaskHead(num_classes=CLASSES, filters=FILTERS)


@functools.cache
def build(kind):
    shared = {"categories": CATEGORIES, "backbone": backbone(), "filters": FILTERS}
    if kind == "retinanet":
        return retinanet(**shared, head=DenseHead(num_classes=CLASSES, filters=FILTERS))
    if kind == "cascade":
        head = functools.partial(BoxHead, units=UNITS, class_agnostic=True)
        return cascade_rcnn(**shared, box_head=head, mask_head=mask_head())
    if kind == "keypoint":
        return keypoint_rcnn(
            **shared, box_head=box_head(), keypoint_head=KeypointHead(num_keypoints=5, filters=2 * FILTERS)
        )
    if kind == "panoptic":
        return panoptic_fpn(
            **(shared | {"categories": PANOPTIC}),
            box_head=box_head(),
            mask_head=mask_head(),
            semantic_head=PanopticFPNHead(num_classes=3, filters=FILTERS // 2),
        )
    if kind == "faster":
        return faster_rcnn(**shared, box_head=box_head())
    return mask_rcnn(**shared, box_head=box_head(), mask_head=mask_head())


KINDS = {
    "faster": {"constants": True},
    "mask": {"masks": True},
    "keypoint": {"keypoints": 5},
    "cascade": {"masks": True, "stages": 3},
    "retinanet": {"dense": True},
    "panoptic": {"masks": True, "stuff": 3},
}


def arrays_of(kind, rng=None):
    """Random numbers everywhere but in the backbone, where there are too many; or everywhere."""
    shapes = detectron2_shapes(CLASSES, **SMALL, **KINDS[kind])
    zero, draw = np.float32(0), np.random.default_rng(0)
    return {
        name: np.broadcast_to(zero, shape)
        if "bottom_up" in name and rng is None
        else draw.standard_normal(shape).astype("float32")
        for name, shape in shapes.items()
    }


@pytest.fixture(scope="module")
def mask_model():
    model, arrays = build("mask"), arrays_of("mask")
    load(model, arrays, verbose=False)
    return model, arrays


@pytest.mark.parametrize("kind", KINDS)
def test_every_array_and_every_weight_has_its_partner(kind):
    arrays = arrays_of(kind)
    model = build(kind)
    report = load(model, arrays, verbose=False)
    constants = {name for name in arrays if name.startswith("pixel_") or "cell_anchors" in name}
    assert {name: reason.partition(":")[0] for name, _, reason in report.skipped} == dict.fromkeys(
        constants, "a constant"
    )
    assert sorted(report.loaded) == sorted(set(arrays) - constants)
    assert not report.missing and len(report.loaded) == len(model.weights)
    assert find_source(arrays).name == "detectron2"


def test_the_background_is_the_last_class_there_and_the_first_here(mask_model):
    model, arrays = mask_model
    hidden = np.random.default_rng(1).random((5, UNITS)).astype("float32")
    weight, bias = (arrays[f"roi_heads.box_predictor.cls_score.{leaf}"] for leaf in ("weight", "bias"))
    there = hidden @ weight.T + bias
    here = model.box_head.class_logits(hidden).numpy()
    np.testing.assert_allclose(here[:, 0], there[:, CLASSES], rtol=1e-4)
    np.testing.assert_allclose(here[:, 1:], there[:, :CLASSES], rtol=1e-4)


def test_box_head_from_regions_to_boxes(mask_model):
    """A region's features in torch's order through both layers, then each class's dx, dy, dw, dh."""
    model, arrays = mask_model
    regions = np.random.default_rng(2).random((1, 4, FILTERS, 7, 7)).astype("float32")

    def layer(x, name):
        return x @ arrays[f"roi_heads.{name}.weight"].T + arrays[f"roi_heads.{name}.bias"]

    hidden = np.maximum(layer(regions.reshape(4, -1), "box_head.fc1"), 0)
    hidden = np.maximum(layer(hidden, "box_head.fc2"), 0)
    there = layer(hidden, "box_predictor.bbox_pred").reshape(4, CLASSES, 4)
    here = model.box_head((regions.transpose(0, 1, 3, 4, 2),))["box_deltas"][0].numpy()
    np.testing.assert_allclose(here[..., [1, 0, 3, 2]], there, rtol=1e-3, atol=1e-3)


def test_masks_have_no_background(mask_model):
    model, arrays = mask_model
    kernel = np.asarray(model.mask_head.predictor.kernel)[0, 0].T
    np.testing.assert_array_equal(kernel, arrays["roi_heads.mask_head.predictor.weight"][:, :, 0, 0])


def test_cascades_share_one_box_among_classes():
    model, arrays = build("cascade"), arrays_of("cascade")
    load(model, arrays, verbose=False)
    heads = [model.box_head, *(stage.box_head for stage in model.box_stages)]
    for stage, head in enumerate(heads):
        weight = arrays[f"roi_heads.box_predictor.{stage}.bbox_pred.weight"]
        np.testing.assert_array_equal(np.asarray(head.box_deltas.kernel).T, weight[[1, 0, 3, 2]])
    assert [stage.roi_sampler.positive_iou for stage in model.box_stages] == [0.6, 0.7]
    assert model.detection_selector.box_weights == (30.0, 30.0, 15.0, 15.0)


def test_retinanet_gives_each_anchor_its_classes():
    model, arrays = build("retinanet"), arrays_of("retinanet")
    load(model, arrays, verbose=False)
    x = np.random.default_rng(3).random((FILTERS, 1, 1)).astype("float32")

    def subnet(name, x):
        for i in (0, 2, 4, 6):
            x = torch_twins.conv(x, arrays[f"head.{name}.{i}.weight"], 1, 1)
            x = np.maximum(x + arrays[f"head.{name}.{i}.bias"][:, None, None], 0)
        return x

    scores = torch_twins.conv(subnet("cls_subnet", x), arrays["head.cls_score.weight"], 1, 1)[:, 0, 0]
    deltas = torch_twins.conv(subnet("bbox_subnet", x), arrays["head.bbox_pred.weight"], 1, 1)[:, 0, 0]
    found = model.head({"P3": x.transpose(1, 2, 0)[None]})
    scores = (scores + arrays["head.cls_score.bias"]).reshape(9, CLASSES)
    deltas = (deltas + arrays["head.bbox_pred.bias"]).reshape(9, 4)
    size = np.abs(scores).max()  # four layers of unscaled weights
    np.testing.assert_allclose(found["class_logits"]["P3"][0], scores, atol=1e-5 * size)
    np.testing.assert_allclose(found["box_deltas"]["P3"][0].numpy()[:, [1, 0, 3, 2]], deltas, atol=1e-5 * size)


def test_strides_lie_in_the_first_convolutions_and_colours_are_turned():
    """Two stages against a twin that takes blue, green, red and strides in 1x1, from detectron2's names."""
    rng = np.random.default_rng(4)
    arrays, twin = {}, {}
    for name, shape in detectron2_shapes(CLASSES, **SMALL).items():
        if "bottom_up" not in name or "res4" in name or "res5" in name:
            continue
        array = rng.standard_normal(shape).astype("float32")
        array = np.abs(array) + 0.5 if name.endswith("running_var") else array / np.sqrt(max(np.prod(shape[1:]), 1))
        parts = name.removeprefix("backbone.bottom_up.").split(".")
        if parts[0] == "stem":
            place, rest = "", parts[1:]
        else:
            place, rest = f"layer{int(parts[0][3:]) - 1}.{parts[1]}.", parts[2:]
        layer, normed, leaf = rest[0], rest[1] == "norm", rest[-1]
        if layer == "shortcut":
            layer = f"downsample.{int(normed)}"
        elif normed:
            layer = layer.replace("conv", "bn")
        arrays[name] = twin[f"{place}{layer}.{leaf}"] = array
    model = backbone()
    load(model, arrays, verbose=False)
    image = rng.standard_normal((3, 64, 32)).astype("float32")
    expected = torch_twins.resnet(twin, image[::-1], bottleneck=True, stride_in="1x1")
    levels = model(image.transpose(1, 2, 0)[None])
    for level, values in zip(("C2", "C3"), expected):
        found = levels[level][0].numpy().transpose(2, 0, 1)
        np.testing.assert_allclose(found, values, atol=2e-4 * np.abs(values).max(), err_msg=level)
    again = keras.Model.from_config(model.get_config())
    for stage in (2, 3, 4):
        assert [again.get_layer(f"layer{stage}_0_conv{i}").strides[0] for i in (1, 2, 3)] == [2, 1, 1]


def test_other_counts_skip_the_predictors_and_say_so():
    arrays = arrays_of("keypoint")
    model = keypoint_rcnn(
        categories=CATEGORIES[:2],
        backbone=backbone(),
        filters=FILTERS,
        box_head=BoxHead(num_classes=2, units=UNITS),
        keypoint_head=KeypointHead(num_keypoints=7, filters=2 * FILTERS),
    )
    report = load(model, arrays, verbose=False)
    reasons = {name: reason for name, _, reason in report.skipped}
    assert set(reasons) == {name for name in arrays if "predictor" in name or "score_lowres" in name}
    for name, reason in reasons.items():
        wanted = "7" if "score_lowres" in name else "2"
        there = "5 keypoints" if "score_lowres" in name else "3 classes"
        assert reason == f"it predicts {there}, the model has {wanted}"
    assert len(report.missing) == 6


@pytest.mark.parametrize(
    ("options", "style"), [({}, "caffe"), ({"groups": 32, "width_per_group": 8, "blocks": (1, 1, 1, 1)}, "torch")]
)
def test_files_tell_what_their_training_began_with(options, style):
    shapes = detectron2_shapes(CLASSES, **SMALL, **options)
    arrays = {name: np.broadcast_to(np.float32(0), shape) for name, shape in shapes.items()}
    assert detectron2_style(arrays, "model_final_280758.pkl") == style
    assert detectron2_style({"pixel_std": np.float32([[[57.375]], [[57.12]], [[58.395]]])}, "") == "torch"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["R-101", "X-101-32x8d"])
def test_full_size_detectors(name):
    groups = {"groups": 32, "width_per_group": 8} if name.startswith("X") else {}
    shapes = detectron2_shapes(80, blocks=(3, 4, 23, 3), masks=True, **groups)
    arrays = {name: np.broadcast_to(np.float32(0.25), shape) for name, shape in shapes.items()}
    categories = [{"id": i, "name": str(i)} for i in range(1, 81)]
    model = mask_rcnn(categories=categories, backbone=resnet(101, **groups))
    report = load(model, arrays, verbose=False)
    assert sorted(report.loaded) == sorted(arrays) and not report.missing and not report.skipped
    assert model.backbone.get_layer("layer2_0_conv1").strides == ((1, 1) if groups else (2, 2))
    assert model.preprocessing.std == ((58.395, 57.12, 57.375) if groups else (1.0, 1.0, 1.0))
