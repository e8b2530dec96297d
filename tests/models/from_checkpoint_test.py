"""Small checkpoints as each program writes them: the model that is built has a place for every array."""

import functools

import numpy as np
import pytest

from panet_tf.backbones.resnet import resnet
from panet_tf.heads.box import BoxHead
from panet_tf.models.coco_categories import coco_categories
from panet_tf.models.faster_rcnn import faster_rcnn
from panet_tf.models.from_checkpoint import from_checkpoint
from tests.detectron2_shapes import detectron2_shapes
from tests.mmdetection_shapes import mmdetection_shapes
from tests.panet_release_shapes import panet_release_shapes
from tests.torchvision_retinanet_shapes import torchvision_retinanet_shapes
from tests.torchvision_shapes import torchvision_shapes

slow = pytest.mark.slow
SMALL = {"blocks": (2, 2, 2, 2), "filters": 8, "units": 6, "bottleneck": False}


def arrays_of(shapes, seed=0):
    rng = np.random.default_rng(seed)
    return {name: np.asarray(rng.random(shape, dtype="float32")) for name, shape in shapes.items()}


def convert(arrays, path, capsys, *, constants=0, counters=0, **kwargs):
    """Writes a checkpoint, reads it, and gives the model, with a place for each array and an array for each weight."""
    np.savez(path, **arrays)
    model = from_checkpoint(path, **kwargs)
    printed = capsys.readouterr().out
    assert f"Loaded {len(arrays) - constants - counters} arrays" in printed and "Left" not in printed
    assert f"Skipped {constants}:" in printed if constants else "Skipped" not in printed
    assert f"Ignored {counters} num_batches_tracked" in printed if counters else "Ignored" not in printed
    return model


@pytest.mark.parametrize("masks", [True, pytest.param(False, marks=slow)])
def test_torchvision(masks, tmp_path, capsys):
    arrays = arrays_of(torchvision_shapes(91, masks=masks, **SMALL))
    model = convert(arrays, tmp_path / "detector.npz", capsys)
    assert (model.mask_head is not None) == masks and model.backbone.name == "resnet18"
    assert [category["id"] for category in model.categories] == list(range(1, 91))
    assert model.categories[0]["name"] == "person" and model.categories[11]["name"] is None
    assert model.box_pooling.samples == 2 and not model.box_pooling.aligned and model.anchor_generator.offset == 0


@slow
def test_torchvision_keypoints(tmp_path, capsys):
    arrays = arrays_of(torchvision_shapes(2, masks=False, keypoints=(17, 4), **SMALL))
    model = convert(arrays, tmp_path / "detector.npz", capsys)
    assert model.keypoint_head.num_keypoints == 17 and model.mask_head is None
    assert model.categories[0]["keypoints"][0] == "nose"


@slow
def test_torchvision_retinanet(tmp_path, capsys):
    arrays = arrays_of(torchvision_retinanet_shapes(91, filters=8, blocks=(2, 2, 2, 2), bottleneck=False))
    model = convert(arrays, tmp_path / "detector.npz", capsys)
    assert model.max_detections == 300 and len(model.categories) == 90 and model.head.filters == 8


DETECTRON2 = {
    "faster": {},
    "mask with constants": {"masks": True, "constants": True},
    "mask resnext": {"masks": True, "groups": 32, "width_per_group": 4},
    "keypoint": {"num_classes": 1, "keypoints": 17},
    "retinanet": {"dense": True},
    "cascade": {"masks": True, "stages": 3},
    "panoptic": {"masks": True, "stuff": 54},
    "mask deformable": {"masks": True},
}


@slow
@pytest.mark.parametrize("kind", DETECTRON2)
def test_detectron2(kind, tmp_path, capsys):
    shapes = detectron2_shapes(filters=8, units=6, **DETECTRON2[kind])
    if kind == "mask deformable":
        for stage, blocks in ((3, 4), (4, 6), (5, 3)):
            for place in (f"backbone.bottom_up.res{stage}.{block}.conv2_offset" for block in range(blocks)):
                shapes |= {f"{place}.weight": (18, 2 ** (stage + 4), 3, 3), f"{place}.bias": (18,)}
    arrays = arrays_of(shapes)
    constants = sum("pixel" in name or "cell_anchors" in name for name in arrays)
    model = convert(arrays, tmp_path / "model_final.npz", capsys, source="detectron2", constants=constants)
    assert model.anchor_generator.offset == 0 and not model.anchor_generator.rounding
    if kind == "retinanet":
        assert model.head.num_classes == 80 and model.necks[0].extra_levels == "c5"
        return
    number = 1 if kind == "keypoint" else 80
    assert [category["id"] for category in model.categories] == [c["id"] for c in coco_categories("coco_80")][:number]
    assert model.box_head.units == 6 and model.box_pooling.samples == 0 and model.box_pooling.aligned
    assert len(model.box_stages) == (2 if kind == "cascade" else 0)
    assert model.box_head.class_agnostic == (kind == "cascade")
    if kind == "keypoint":
        assert model.keypoint_head.num_keypoints == 17 and "keypoints" in model.categories[0]
    if kind == "mask resnext":
        second = model.backbone.get_layer("layer2_0_conv2")
        assert second.groups == 32 and second.strides == (2, 2) and second.filters == 256
    if kind == "mask deformable":
        assert model.backbone.get_layer("layer4_2_conv2").offset.filters == 18
        assert model.backbone.get_layer("layer2_0_conv1").strides == (2, 2)
    if kind == "panoptic":
        assert len(model.panoptic_categories) == 133 and model.semantic_head.num_classes == 54


@pytest.mark.parametrize("path", [pytest.param(False, marks=slow), True])
def test_mmdetection(path, tmp_path, capsys):
    arrays = arrays_of(mmdetection_shapes(path=path, **SMALL))
    counters = sum("num_batches" in name for name in arrays)
    model = convert(arrays, tmp_path / "epoch_12.npz", capsys, counters=counters)
    assert len(model.necks) == 1 + path and len(model.categories) == 80
    if path:
        assert not model.necks[1].refined


@slow
@pytest.mark.parametrize("masks, heavy_head", [(True, True), (False, True), (False, False)])
def test_the_panet_authors_release(masks, heavy_head, tmp_path, capsys):
    arrays = arrays_of(panet_release_shapes(filters=8, units=6, masks=masks, heavy_head=heavy_head))
    model = convert(arrays, tmp_path / "model_step179999.npz", capsys)
    if masks:
        assert model.mask_head.fully_connected == "conv3" and model.mask_head.fully_connected_relu
    assert model.box_head.num_convs == 4 * heavy_head and model.necks[1].refined and model.box_pooling.inclusive


def test_another_architecture_and_other_classes_may_be_asked_for(tmp_path, capsys):
    np.savez(tmp_path / "w.npz", **arrays_of(mmdetection_shapes(**SMALL)))
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
