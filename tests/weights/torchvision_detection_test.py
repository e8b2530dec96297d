"""torchvision's detectors in small: each array has one place, and numbers mean there what they meant here."""

import numpy as np
import pytest

from panet_tf.backbones.resnet import resnet
from panet_tf.heads.box import BoxHead
from panet_tf.heads.mask import MaskHead
from panet_tf.models.faster_rcnn import faster_rcnn
from panet_tf.models.mask_rcnn import mask_rcnn
from panet_tf.weights import load
from tests.torchvision_shapes import torchvision_shapes

FILTERS, UNITS, CLASSES = 4, 6, 3


def small(classes=CLASSES, masks=True):
    categories = [{"id": i, "name": f"category {i}"} for i in range(1, classes + 1)]
    parts = {"categories": categories, "backbone": resnet(18), "filters": FILTERS}
    parts["box_head"] = BoxHead(num_classes=classes, units=UNITS)
    if not masks:
        return faster_rcnn(**parts)
    return mask_rcnn(**parts, mask_head=MaskHead(num_classes=classes, filters=FILTERS))


def arrays_of(classes=CLASSES, masks=True):
    shapes = torchvision_shapes(
        classes + 1, blocks=(2, 2, 2, 2), filters=FILTERS, units=UNITS, masks=masks, bottleneck=False
    )
    rng = np.random.default_rng(0)
    return {name: rng.random(shape).astype("float32") for name, shape in shapes.items()}


@pytest.fixture(scope="module")
def both():
    model, arrays = small(), arrays_of()
    return model, arrays, load(model, arrays, verbose=False)


def test_every_array_and_every_weight_has_its_partner(both):
    model, arrays, report = both
    assert sorted(report.loaded) == sorted(arrays)
    assert not report.skipped and not report.missing
    assert len(arrays) == len(model.weights)


def test_regions_are_flattened_by_channel_there_and_last_here(both):
    model, arrays, _ = both
    features = np.random.default_rng(1).random((5, FILTERS, 7, 7)).astype("float32")
    dense = model.box_head.first.layers[0].dense
    np.testing.assert_allclose(
        dense(features.transpose(0, 2, 3, 1).reshape(5, -1)),
        features.reshape(5, -1) @ arrays["roi_heads.box_head.fc6.weight"].T + arrays["roi_heads.box_head.fc6.bias"],
        rtol=1e-4,
    )


def test_box_deltas_change_their_order_and_lose_the_background(both):
    model, arrays, _ = both
    hidden = np.random.default_rng(2).random((5, UNITS)).astype("float32")
    weight, bias = (arrays[f"roi_heads.box_predictor.bbox_pred.{leaf}"] for leaf in ("weight", "bias"))
    there = (hidden @ weight.T + bias).reshape(5, CLASSES + 1, 4)
    here = np.reshape(model.box_head.box_deltas(hidden), (5, CLASSES, 4))
    for ours, theirs in enumerate((1, 0, 3, 2)):  # dy, dx, dh, dw of dx, dy, dw, dh
        np.testing.assert_allclose(here[..., ours], there[:, 1:, theirs], rtol=1e-5)


def test_anchors_of_a_cell_keep_their_order_and_their_deltas_change(both):
    model, arrays, _ = both
    cell = np.random.default_rng(3).random((FILTERS,)).astype("float32")
    weight, bias = (arrays[f"rpn.head.bbox_pred.{leaf}"] for leaf in ("weight", "bias"))
    there = (weight[:, :, 0, 0] @ cell + bias).reshape(3, 4)
    here = np.reshape(model.rpn_head.box_deltas(cell[None, None, None]), (3, 4))
    np.testing.assert_allclose(here[:, [1, 0, 3, 2]], there, rtol=1e-5)
    scores = np.reshape(model.rpn_head.objectness(cell[None, None, None]), -1)
    wanted = arrays["rpn.head.cls_logits.weight"][:, :, 0, 0] @ cell + arrays["rpn.head.cls_logits.bias"]
    np.testing.assert_allclose(scores, wanted, rtol=1e-5)


def test_masks_lose_the_background(both):
    model, arrays, _ = both
    kernel = np.asarray(model.mask_head.predictor.kernel)[0, 0]
    np.testing.assert_array_equal(kernel.T, arrays["roi_heads.mask_predictor.mask_fcn_logits.weight"][1:, :, 0, 0])


def test_deconvolution_spreads_each_cell_as_there(both):
    model, arrays, _ = both
    cells = np.random.default_rng(4).random((1, 2, 3, FILTERS)).astype("float32")
    weight, bias = (arrays[f"roi_heads.mask_predictor.conv5_mask.{leaf}"] for leaf in ("weight", "bias"))
    spread = np.einsum("hwi,ioyx->hywxo", cells[0], weight).reshape(4, 6, FILTERS) + bias
    np.testing.assert_allclose(model.mask_head.deconv(cells)[0], np.maximum(spread, 0), rtol=1e-5)


def test_published_files_have_older_names(both):
    model, arrays, _ = both
    older = {}
    for name, array in arrays.items():
        parts = name.split(".")
        if ".fpn." in name:
            name = ".".join([*parts[:4], parts[-1]])
        elif name.startswith("rpn.head.conv."):
            name = f"rpn.head.conv.{parts[-1]}"
        elif name.startswith("roi_heads.mask_head."):
            name = f"roi_heads.mask_head.mask_fcn{int(parts[2]) + 1}.{parts[-1]}"
        older[name] = array
    assert len(set(older) - set(arrays)) == 26
    again = small()
    report = load(again, older, verbose=False)
    assert sorted(report.loaded) == sorted(older) and not report.missing
    for ours, theirs in zip(again.weights, model.weights):
        np.testing.assert_array_equal(ours, theirs)


def test_other_class_counts_skip_the_predictors_and_say_so(capsys):
    model, arrays = small(classes=2), arrays_of()
    report = load(model, arrays)
    predictors = ("box_predictor.cls_score", "box_predictor.bbox_pred", "mask_predictor.mask_fcn_logits")
    names = {f"roi_heads.{part}.{leaf}" for part in predictors for leaf in ("weight", "bias")}
    assert {name for name, _, _ in report.skipped} == names
    assert {reason for _, _, reason in report.skipped} == {"it predicts 3 classes, the model has 2"}
    assert all(shape == arrays[name].shape for name, shape, _ in report.skipped)
    assert len(report.missing) == 6 and len(report.loaded) == len(arrays) - 6
    assert "it predicts 3 classes, the model has 2" in capsys.readouterr().out


def test_masks_without_a_place_are_reported():
    arrays = arrays_of()
    report = load(small(masks=False), arrays, verbose=False)
    assert {name for name, _, _ in report.skipped} == {name for name in arrays if "mask" in name}
    assert {reason for _, _, reason in report.skipped} == {"not in the model"}
    assert not report.missing


def test_masks_that_a_file_lacks_keep_their_weights():
    model = small()
    report = load(model, arrays_of(masks=False), verbose=False)
    assert not report.skipped
    assert report.missing and all(path.startswith(model.mask_head.path) for path in report.missing)


def test_files_are_read_as_dicts_are(both, tmp_path):
    _, arrays, report = both
    np.savez(tmp_path / "detector.npz", **arrays)
    assert load(small(), tmp_path / "detector.npz", verbose=False).loaded == report.loaded
