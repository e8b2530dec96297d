"""mmdetection's detectors in small: each array has one place, and numbers mean there what they meant here."""

import numpy as np
import pytest

from panet_tf.backbones.resnet import resnet
from panet_tf.heads.box import BoxHead
from panet_tf.heads.mask import MaskHead
from panet_tf.models.faster_rcnn import faster_rcnn
from panet_tf.models.mask_rcnn import mask_rcnn
from panet_tf.necks.fpn import FPN
from panet_tf.necks.pafpn import PAFPN
from panet_tf.weights import load
from tests.mmdetection_shapes import mmdetection_shapes
from tests.necks.slow_conv import conv

FILTERS, UNITS, CLASSES = 4, 6, 3


def small(classes=CLASSES, path=True, masks=True):
    parts = {
        "categories": [{"id": i, "name": f"category {i}"} for i in range(1, classes + 1)],
        "backbone": resnet(18),
        "filters": FILTERS,
        "necks": [FPN(filters=FILTERS), *([PAFPN(filters=FILTERS)] if path else [])],
        "box_head": BoxHead(num_classes=classes, units=UNITS),
    }
    return (
        mask_rcnn(**parts, mask_head=MaskHead(num_classes=classes, filters=FILTERS)) if masks else faster_rcnn(**parts)
    )


def arrays_of(**kwargs):
    shapes = mmdetection_shapes(CLASSES, blocks=(2, 2, 2, 2), filters=FILTERS, units=UNITS, bottleneck=False, **kwargs)
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal(shape).astype("float32") for name, shape in shapes.items()}


@pytest.fixture(scope="module")
def both():
    model, arrays = small(), arrays_of(path=True)
    return model, arrays, load(model, arrays, verbose=False)


def test_every_array_and_every_weight_has_its_partner(both):
    model, arrays, report = both
    counters = {name for name in arrays if name.endswith("num_batches_tracked")}
    assert sorted(report.loaded) == sorted(set(arrays) - counters) and set(report.ignored) == counters
    assert not report.skipped and not report.missing and len(report.loaded) == len(model.weights)


def test_models_without_path_or_masks():
    report = load(small(path=False, masks=False), arrays_of(masks=False), verbose=False)
    assert not report.skipped and not report.missing
    report = load(small(path=False, masks=False), arrays_of(path=True), verbose=False)
    assert {name.split(".")[1] for name, _, _ in report.skipped} == {"downsample_convs", "pafpn_convs", "mask_head"}


def test_the_bottom_up_path_is_mmdetections(both):
    """The unrefined sum goes on, nothing is rectified; from its own names, one cell at a time."""
    model, arrays, _ = both
    rng = np.random.default_rng(1)
    levels = {f"P{n}": rng.standard_normal((1, 2 ** (6 - n), 2 ** (5 - n), FILTERS)).astype("f") for n in (2, 3, 4, 5)}

    def module(x, name, i, stride):
        weight, bias = (arrays[f"neck.{name}.{i}.conv.{leaf}"] for leaf in ("weight", "bias"))
        return conv(x, weight.transpose(2, 3, 1, 0), bias, stride)

    inter = [levels[f"P{n}"][0] for n in (2, 3, 4, 5)]
    for i in range(3):
        inter[i + 1] = inter[i + 1] + module(inter[i], "downsample_convs", i, 2)
    expected = [inter[0], *(module(inter[i], "pafpn_convs", i - 1, 1) for i in (1, 2, 3))]
    found = model.necks[1](levels)
    for n, values in zip((2, 3, 4, 5), expected):
        np.testing.assert_allclose(found[f"N{n}"][0], values, atol=1e-4 * np.abs(values).max())
    np.testing.assert_array_equal(found["N6"], found["N5"][:, ::2, ::2])


def test_the_background_is_the_last_class_there_and_boxes_have_none(both):
    model, arrays, _ = both
    regions = np.random.default_rng(2).random((1, 4, FILTERS, 7, 7)).astype("float32")

    def layer(x, name):
        name = f"roi_head.bbox_head.{name}"
        return x @ arrays[f"{name}.weight"].T + arrays[f"{name}.bias"]

    hidden = np.maximum(layer(regions.reshape(4, -1), "shared_fcs.0"), 0)
    hidden = np.maximum(layer(hidden, "shared_fcs.1"), 0)
    found = model.box_head((regions.transpose(0, 1, 3, 4, 2),))
    there = layer(hidden, "fc_cls")
    np.testing.assert_allclose(found["class_logits"][0, :, 0], there[:, CLASSES], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found["class_logits"][0, :, 1:], there[:, :CLASSES], rtol=1e-3, atol=1e-4)
    deltas = layer(hidden, "fc_reg").reshape(4, CLASSES, 4)
    np.testing.assert_allclose(found["box_deltas"][0].numpy()[..., [1, 0, 3, 2]], deltas, rtol=1e-3, atol=1e-4)


def test_anchors_of_a_cell_keep_their_order_and_their_deltas_change(both):
    model, arrays, _ = both
    cell = np.random.default_rng(3).random((FILTERS,)).astype("float32")
    there = (arrays["rpn_head.rpn_reg.weight"][:, :, 0, 0] @ cell + arrays["rpn_head.rpn_reg.bias"]).reshape(3, 4)
    here = np.reshape(model.rpn_head.box_deltas(cell[None, None, None]), (3, 4))
    np.testing.assert_allclose(here[:, [1, 0, 3, 2]], there, rtol=1e-4)


def test_caffe_backbones_take_blue_green_red(tmp_path):
    arrays = arrays_of(masks=False)
    np.savez(tmp_path / "faster_rcnn_r50_caffe_fpn_1x_coco.npz", **arrays)
    for name, style, turned in (("faster_rcnn_r50_caffe_fpn_1x_coco.npz", None, True), (None, "torch", False)):
        model = small(path=False, masks=False)
        load(model, tmp_path / name if name else arrays, style=style, verbose=False)
        kernel = np.transpose(model.backbone.get_layer("conv1").kernel, (3, 2, 0, 1))
        np.testing.assert_array_equal(kernel, arrays["backbone.conv1.weight"][:, :: -1 if turned else 1])
        assert model.preprocessing.std == ((1.0, 1.0, 1.0) if turned else (58.395, 57.12, 57.375))


def test_other_class_counts_skip_the_predictors_and_say_so():
    model, arrays = small(classes=2), arrays_of(path=True)
    report = load(model, arrays, verbose=False)
    assert {reason for _, _, reason in report.skipped} == {"it predicts 3 classes, the model has 2"}
    assert {name.rpartition(".")[0].partition(".")[2] for name, _, _ in report.skipped} == {
        "bbox_head.fc_cls",
        "bbox_head.fc_reg",
        "mask_head.conv_logits",
    }


def test_versions_with_the_background_first_are_refused():
    arrays = {name.removeprefix("roi_head."): array for name, array in arrays_of().items()}
    with pytest.raises(ValueError, match="from version 2.0 on"):
        load(small(path=False), arrays)
