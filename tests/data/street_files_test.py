"""Cityscapes and Mapillary Vistas from their own files."""

import numpy as np
import pytest

from panet_tf.data.cityscapes_files import CATEGORIES, CityscapesFiles
from panet_tf.data.detection_data import DetectionData
from panet_tf.data.panoptic_source import PanopticSource
from panet_tf.data.vistas_files import VistasFiles
from tests.tiny_panoptic import write_cityscapes, write_vistas


def source_of(files, folder, **arguments):
    return PanopticSource(files=files, cache=folder / "cache", progress=False, **arguments)


def street():
    """Ego vehicle, road, sky, two cars, a group of persons, a caravan, a trailer's instance."""
    values = np.full((40, 64), 7)
    values[:20], values[36:] = 23, 1
    values[10:20, 4:12], values[10:22, 20:30], values[18:30, 40:44] = 26000, 26003, 24
    values[25:30, 50:60], values[20:24, 50:60] = 29, 30001
    return values


def test_cityscapes_has_the_benchmarks_numbers():
    assert [category["train_id"] for category in CATEGORIES] == list(range(19))
    things = [category["name"] for category in CATEGORIES if category["isthing"]]
    assert things == ["person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"]
    assert len({category["id"] for category in CATEGORIES}) == 19


def test_cityscapes(tmp_path):
    write_cityscapes(tmp_path, "val", [street(), np.full((40, 64), 11)])
    source = source_of(CityscapesFiles(root=tmp_path, split="val"), tmp_path)
    assert len(source.panoptic_categories) == 19 and len(source.categories) == 8
    truth = source.panoptic_ground_truth()
    ids, segments = truth.ground_truth(1)
    void = np.isin(street(), (1, 29, 30001))
    np.testing.assert_array_equal(ids, np.where(void, 0, street()))
    found = {info["id"]: (info["category_id"], info["iscrowd"]) for info in segments}
    assert found == {7: (7, 0), 23: (23, 0), 24: (24, 1), 26000: (26, 0), 26003: (26, 0)}
    assert sorted(truth.image_ids) == [1, 2] and not source.report.counts.get(("skipped image", ""))
    raw = next(raw for raw in source.samples() if int(raw["image_id"]) == 1)
    assert raw["file_name"].numpy() == b"bonn/bonn_000000_000019_leftImg8bit.png"
    assert sorted(zip(raw["objects"]["class"].numpy().tolist(), raw["objects"]["is_crowd"].numpy().tolist())) == [
        (1, True), (3, False), (3, False)
    ]  # fmt: skip
    plain = DetectionData(source=source, batch_size=2, canvases=((64, 64),), short_side=None, max_instances=4)
    batch = next(iter(plain.dataset()))
    assert "semantic" not in batch and sorted(batch["classes"].numpy().sum(1)) == [0, 7]
    assert plain.categories == source.categories


def test_cityscapes_without_instances_has_crowds(tmp_path):
    labels = np.where(street() >= 1000, street() // 1000, street())
    write_cityscapes(tmp_path, "train", [labels], kind="labelIds")
    source = source_of(CityscapesFiles(root=tmp_path, split="train"), tmp_path)
    _, segments = source.panoptic_ground_truth().ground_truth(1)
    assert {info["category_id"]: info["iscrowd"] for info in segments} == {7: 0, 23: 0, 24: 1, 26: 1}
    assert "labelIds are used" in source.report.summary()
    with pytest.raises(ValueError, match="there is none at"):
        CityscapesFiles(root=tmp_path, split="val")


def test_a_cityscapes_map_that_is_missing_or_in_colours_skips_its_image(tmp_path):
    write_cityscapes(tmp_path, "val", [street()] * 3)
    folder = tmp_path / "gtFine" / "val" / "bonn"
    (folder / "bonn_000000_000019_gtFine_instanceIds.png").unlink()
    image = tmp_path / "leftImg8bit" / "val" / "bonn" / "bonn_000001_000019_leftImg8bit.png"
    (folder / "bonn_000001_000019_gtFine_instanceIds.png").write_bytes(image.read_bytes())
    source = source_of(CityscapesFiles(root=tmp_path, split="val"), tmp_path)
    assert source.image_ids.tolist() == [3]
    text = source.report.summary(3)
    assert "annotation map is missing: 1" in text and "not a grey picture" in text and "image 2" in text


@pytest.mark.parametrize(("version", "old"), [("1.2", True), ("1.2", False), ("2.0", False)])
def test_vistas(tmp_path, version, old):
    values = np.full((40, 64), 1 * 256 + 3)  # sky, whatever its second byte
    values[20:] = 3 * 256
    values[4:9, 4:9], values[12:18, 30:40], values[25:30, 10:20] = 0, 2 * 256, 2 * 256 + 255
    write_vistas(tmp_path, "training", [values], version, old)
    source = source_of(VistasFiles(root=tmp_path, split="training", version=version), tmp_path)
    assert [(c["id"], c["name"], c["isthing"]) for c in source.panoptic_categories] == [
        (1, "Bird", 1), (2, "Sky", 0), (3, "Car", 1)
    ]  # fmt: skip
    ids, segments = source.panoptic_ground_truth().ground_truth(1)
    found = {info["category_id"]: [] for info in segments}
    for info in segments:
        found[info["category_id"]].append(info["area"])
        assert (ids == info["id"]).sum() == info["area"]
    assert found[1] == [25] and sorted(found[3]) == [50, 60] and found[2] == [20 * 64 - 25 - 60]
    assert (ids == 0).sum() == 20 * 64 - 50
    assert [category["name"] for category in source.categories] == ["Bird", "Car"]


def test_what_vistas_lacks_is_said(tmp_path):
    write_vistas(tmp_path, "training", [np.zeros((8, 8))])
    with pytest.raises(ValueError, match='version must be "1.2" or "2.0"'):
        VistasFiles(root=tmp_path, split="training", version="1.1")
    with pytest.raises(ValueError, match="config_v2.0.json, there is none"):
        VistasFiles(root=tmp_path, split="training", version="2.0")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="must list labels"):
        source_of(VistasFiles(root=tmp_path, split="training"), tmp_path).sample(0)
