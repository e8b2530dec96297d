"""Small checkpoints as each program writes them: the model that is built has a place for every array."""

import functools
import re

import numpy as np
import pytest

from panet_tf.backbones.resnet import resnet
from panet_tf.heads.box import BoxHead
from panet_tf.models.faster_rcnn import faster_rcnn
from panet_tf.models.from_checkpoint import from_checkpoint
from tests.torchvision_retinanet_shapes import torchvision_retinanet_shapes
from tests.torchvision_shapes import torchvision_shapes

SMALL = {"blocks": (2, 2, 2, 2), "filters": 8, "units": 6, "bottleneck": False}


def arrays_of(shapes, seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.random(shape).astype("float32") for name, shape in shapes.items()}


def renamed(shapes, rules):
    """Shapes under the names of another program: the first rule that matches a name's beginning is applied."""
    result = {}
    for name, shape in shapes.items():
        pattern, new = next((rule for rule in rules if re.match(rule[0], name)), ("$", ""))
        result[re.sub(pattern, new, name)] = shape
    return result


def without_background(shapes, names):
    """Rows of box and mask predictors that other programs do not have."""
    rows = {name: shape[0] * 80 // 81 for name, shape in shapes.items() if name.startswith(names)}
    return shapes | {name: (rows[name], *shapes[name][1:]) for name in rows}


def detectron2_shapes(*, cascade=False, grouped=False, **kwargs):
    shapes = torchvision_shapes(81, **(SMALL | kwargs))
    stages = ("0.", "1.", "2.") if cascade else ("",)
    rules = [
        (r"backbone\.body\.(conv1\.)", r"backbone.bottom_up.stem.\1"),
        (r"backbone\.body\.bn1\.", r"backbone.bottom_up.stem.conv1.norm."),
        *(
            (rf"backbone\.body\.layer{n}\.(\d+)\.(conv\d)", rf"backbone.bottom_up.res{n + 1}.\1.\2")
            for n in range(1, 5)
        ),
        *(
            (rf"backbone\.body\.layer{n}\.(\d+)\.bn(\d)", rf"backbone.bottom_up.res{n + 1}.\1.conv\2.norm")
            for n in range(1, 5)
        ),
        *(
            (rf"backbone\.body\.layer{n}\.(\d+)\.downsample\.{i}", rf"backbone.bottom_up.res{n + 1}.\1.shortcut{end}")
            for n in range(1, 5)
            for i, end in enumerate(("", ".norm"))
        ),
        *((rf"backbone\.fpn\.inner_blocks\.{i}\.0", f"backbone.fpn_lateral{i + 2}") for i in range(4)),
        *((rf"backbone\.fpn\.layer_blocks\.{i}\.0", f"backbone.fpn_output{i + 2}") for i in range(4)),
        (r"rpn\.head\.conv\.0\.0", "proposal_generator.rpn_head.conv"),
        (r"rpn\.head\.cls_logits", "proposal_generator.rpn_head.objectness_logits"),
        (r"rpn\.head\.bbox_pred", "proposal_generator.rpn_head.anchor_deltas"),
        (r"roi_heads\.box_head\.fc(\d)", lambda found: f"roi_heads.box_head.fc{int(found[1]) - 5}"),
        *((rf"roi_heads\.mask_head\.{i}\.0", f"roi_heads.mask_head.mask_fcn{i + 1}") for i in range(4)),
        (r"roi_heads\.mask_predictor\.conv5_mask", "roi_heads.mask_head.deconv"),
        (r"roi_heads\.mask_predictor\.mask_fcn_logits", "roi_heads.mask_head.predictor"),
    ]
    shapes = without_background(
        renamed(shapes, rules), ("roi_heads.box_predictor.bbox_pred", "roi_heads.mask_head.pred")
    )
    boxes = re.compile(r"roi_heads\.box_(head|predictor)\.")
    repeated = {}
    for name, shape in shapes.items():
        agnostic = (4, *shape[1:]) if cascade and ".bbox_pred." in name else shape
        names = [boxes.sub(rf"\g<0>{stage}", name) for stage in stages] if boxes.match(name) else [name]
        repeated |= dict.fromkeys(names, agnostic)
    return repeated


def mmdetection_shapes(*, path=False):
    rules = [
        (r"backbone\.body\.", "backbone."),
        *((rf"backbone\.fpn\.inner_blocks\.{i}\.0", f"neck.lateral_convs.{i}.conv") for i in range(4)),
        *((rf"backbone\.fpn\.layer_blocks\.{i}\.0", f"neck.fpn_convs.{i}.conv") for i in range(4)),
        (r"rpn\.head\.conv\.0\.0", "rpn_head.rpn_conv"),
        (r"rpn\.head\.cls_logits", "rpn_head.rpn_cls"),
        (r"rpn\.head\.bbox_pred", "rpn_head.rpn_reg"),
        (r"roi_heads\.box_head\.fc(\d)", lambda found: f"roi_head.bbox_head.shared_fcs.{int(found[1]) - 6}"),
        (r"roi_heads\.box_predictor\.cls_score", "roi_head.bbox_head.fc_cls"),
        (r"roi_heads\.box_predictor\.bbox_pred", "roi_head.bbox_head.fc_reg"),
        (r"roi_heads\.mask_head\.(\d)\.0", r"roi_head.mask_head.convs.\1.conv"),
        (r"roi_heads\.mask_predictor\.conv5_mask", "roi_head.mask_head.upsample"),
        (r"roi_heads\.mask_predictor\.mask_fcn_logits", "roi_head.mask_head.conv_logits"),
    ]
    shapes = renamed(torchvision_shapes(81, **SMALL), rules)
    shapes = without_background(shapes, ("roi_head.bbox_head.fc_reg", "roi_head.mask_head.conv_logits"))
    if path:
        for part in ("downsample_convs", "pafpn_convs"):
            for i in range(3):
                shapes |= {f"neck.{part}.{i}.conv.weight": (8, 8, 3, 3), f"neck.{part}.{i}.conv.bias": (8,)}
    return shapes


def panet_shapes(filters=8, units=6, cells=7):
    """The authors' release with adaptive pooling, group norms, four convolutions and the fully-connected branch."""
    rules = [
        (r"backbone\.body\.(conv1|bn1)\.", r"Conv_Body.conv_body.res1.\1."),
        *((rf"backbone\.body\.layer{n}\.", f"Conv_Body.conv_body.res{n + 1}.") for n in range(1, 5)),
        (r"rpn\.head\.conv\.0\.0", "RPN.FPN_RPN_conv"),
        (r"rpn\.head\.cls_logits", "RPN.FPN_RPN_cls_score"),
        (r"rpn\.head\.bbox_pred", "RPN.FPN_RPN_bbox_pred"),
        (r"roi_heads\.box_predictor\.", "Box_Outs."),
        (r"roi_heads\.mask_predictor\.conv5_mask", "Mask_Head.upconv"),
        (r"roi_heads\.mask_predictor\.mask_fcn_logits", "Mask_Outs.classify"),
    ]
    shapes = renamed(torchvision_shapes(81, **SMALL), rules)
    kept = ("Conv_Body.", "RPN.", "Box_Outs.", "Mask_Head.", "Mask_Outs.")
    shapes = {name: shape for name, shape in shapes.items() if name.startswith(kept) and ".running_" not in name}

    def normed(name, out, channels, size, bias=False):
        shapes[f"{name}.0.weight"] = (out, channels, size, size)
        shapes.update({f"{name}.1.{leaf}": (out,) for leaf in ("weight", "bias")})
        shapes.update({f"{name}.0.bias": (out,)} if bias else {})

    normed("Conv_Body.conv_top", filters, 512, 1)
    for i, channels in enumerate((256, 128, 64)):
        normed(f"Conv_Body.topdown_lateral_modules.{i}.conv_lateral", filters, channels, 1)
        for number in (1, 2):
            normed(f"Conv_Body.panet_buttomup_conv{number}_modules.{i}", filters, filters, 3, bias=True)
    for level in range(4):
        normed(f"Conv_Body.posthoc_modules.{level}", filters, filters, 3)
        normed(f"Box_Head.conv1_head.{level}", filters, filters, 3)
        normed(f"Mask_Head.mask_conv1.{level}", filters, filters, 3)
    for head, count in (("Box_Head.convs", 3), ("Mask_Head.conv_fcn", 2)):
        for i in range(count):
            shapes[f"{head}.{3 * i}.weight"] = (filters, filters, 3, 3)
            shapes |= {f"{head}.{3 * i + 1}.{leaf}": (filters,) for leaf in ("weight", "bias")}
    normed("Mask_Head.mask_conv4", filters, filters, 3)
    normed("Mask_Head.mask_conv4_fc", filters, filters, 3)
    normed("Mask_Head.mask_conv5_fc", filters // 2, filters, 3)
    shapes |= {"Mask_Head.mask_fc.0.weight": (784, filters // 2 * 14**2), "Mask_Head.mask_fc.0.bias": (784,)}
    return shapes | {"Box_Head.fc.weight": (units, filters * cells**2), "Box_Head.fc.bias": (units,)}


def convert(arrays, path, capsys, **kwargs):
    """Writes a checkpoint, reads it, and gives the model, with a place for each array and an array for each weight."""
    np.savez(path, **arrays)
    model = from_checkpoint(path, **kwargs)
    printed = capsys.readouterr().out
    assert f"Loaded {len(arrays)} arrays" in printed and "Skipped" not in printed and "Left" not in printed
    return model


@pytest.mark.parametrize("masks", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_torchvision(masks, tmp_path, capsys):
    arrays = arrays_of(torchvision_shapes(91, masks=masks, **SMALL))
    model = convert(arrays, tmp_path / "detector.npz", capsys)
    assert (model.mask_head is not None) == masks and model.backbone.name == "resnet18"
    assert [category["id"] for category in model.categories] == list(range(1, 91))
    assert model.categories[0]["name"] == "person" and model.categories[11]["name"] is None
    assert model.box_pooling.samples == 2 and not model.box_pooling.aligned and model.anchor_generator.offset == 0


@pytest.mark.slow
def test_torchvision_keypoints(tmp_path, capsys):
    arrays = arrays_of(torchvision_shapes(2, masks=False, keypoints=(17, 4), **SMALL))
    model = convert(arrays, tmp_path / "detector.npz", capsys)
    assert model.keypoint_head.num_keypoints == 17 and model.mask_head is None
    assert model.categories[0]["keypoints"][0] == "nose"


@pytest.mark.slow
def test_torchvision_retinanet(tmp_path, capsys):
    arrays = arrays_of(torchvision_retinanet_shapes(91, filters=8, blocks=(2, 2, 2, 2), bottleneck=False))
    model = convert(arrays, tmp_path / "detector.npz", capsys)
    assert model.max_detections == 300 and len(model.categories) == 90 and model.head.filters == 8


@pytest.mark.parametrize("kind", [pytest.param("mask", marks=pytest.mark.slow), "cascade"])
def test_detectron2(kind, tmp_path, capsys):
    arrays = arrays_of(detectron2_shapes(cascade=kind == "cascade"))
    model = convert(arrays, tmp_path / "model_final.npz", capsys, source="detectron2")
    assert [category["id"] for category in model.categories][-1] == 90 and len(model.categories) == 80
    assert model.mask_head.num_convs == 4 and model.box_head.units == 6
    assert len(model.box_stages) == (2 if kind == "cascade" else 0)
    assert model.box_head.class_agnostic == (kind == "cascade")
    assert model.box_pooling.samples == 0 and model.box_pooling.aligned


@pytest.mark.parametrize("path", [pytest.param(False, marks=pytest.mark.slow), True])
def test_mmdetection(path, tmp_path, capsys):
    model = convert(arrays_of(mmdetection_shapes(path=path)), tmp_path / "epoch_12.npz", capsys)
    assert len(model.necks) == 1 + path and len(model.categories) == 80
    if path:
        assert not model.necks[1].refined


@pytest.mark.slow
def test_the_panet_authors_release(tmp_path, capsys):
    model = convert(arrays_of(panet_shapes()), tmp_path / "model_step179999.npz", capsys)
    assert model.mask_head.fully_connected == "conv3" and model.mask_head.fully_connected_relu
    assert model.box_head.num_convs == 4 and model.necks[1].refined and model.box_pooling.inclusive


def test_another_architecture_and_other_classes_may_be_asked_for(tmp_path, capsys):
    np.savez(tmp_path / "w.npz", **arrays_of(mmdetection_shapes()))
    small = {"filters": 8, "backbone": resnet(18), "box_head": functools.partial(BoxHead, units=6)}
    cats = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    model = from_checkpoint(tmp_path / "w.npz", model=functools.partial(faster_rcnn, **small), categories=cats)
    assert model.mask_head is None and model.box_head.num_classes == 2
    printed = capsys.readouterr().out
    assert "it predicts 80 classes, the model has 2" in printed and "roi_head.mask_head.upsample.weight" in printed


def test_classifiers_give_backbones(tmp_path):
    shapes = torchvision_shapes(2, **SMALL)
    body = "backbone.body."
    arrays = arrays_of({name.removeprefix(body): shape for name, shape in shapes.items() if name.startswith(body)})
    np.savez(tmp_path / "w.npz", **arrays, **{"fc.weight": np.ones((1000, 512), "float32")})
    model = from_checkpoint(tmp_path / "w.npz", verbose=False)
    assert model.name == "resnet18"
    np.testing.assert_array_equal(model.get_layer("bn1").beta, arrays["bn1.bias"])


def test_mobilenet_of_the_package_is_told():
    model = from_checkpoint("mobilenet_v2/imagenet", verbose=False)
    assert model.name == "mobilenet_v2" and model.output["C5"].shape[-1] == 1280


def test_unknown_files_are_refused(tmp_path):
    np.savez(tmp_path / "w.npz", **{"encoder.weight": np.ones(3)})
    with pytest.raises(ValueError, match="w.npz must be a checkpoint of torchvision, detectron2.*'encoder.weight'"):
        from_checkpoint(tmp_path / "w.npz")
