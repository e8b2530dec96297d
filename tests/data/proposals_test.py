"""Proposals on their way from a file into batches."""

import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from panet_tf.data import proposal_file
from panet_tf.data import proposals as proposals_module
from panet_tf.data.detection_data import DetectionData
from panet_tf.data.proposal_file import read_results
from panet_tf.data.proposals import Proposals
from panet_tf.data.random_crop import RandomCrop
from panet_tf.data.random_flip import RandomFlip
from panet_tf.data.random_rotation import RandomRotation90
from tests.listed_source import ListedSource

SIZE = (48, 64)
BOXES = ((4, 6, 20, 18), (22, 30, 46, 60), (2, 40, 12, 58))


def source(images=4):
    """Images with three bright rectangles each, moved by one pixel from image to image."""
    pictures, masks = [], []
    for shift in range(images):
        image, instances = np.zeros((*SIZE, 3), np.uint8), []
        for top, left, bottom, right in BOXES:
            mask = np.zeros(SIZE, bool)
            mask[top : bottom - shift, left + shift : right] = True
            image[mask] = 255
            instances.append(mask)
        pictures.append(image)
        masks.append(instances)
    listed = ListedSource(pictures, masks)
    listed.image_ids = np.arange(images)
    return listed


def write(path, listed, only=None):
    """The objects' own boxes as proposals, worst first, with a box beside them."""
    entries = []
    for raw in listed.raw:
        for i, (y0, x0, y1, x1) in enumerate([[0, 0, 3, 3], *raw["objects"]["box"].tolist()]):
            one = {"image_id": int(raw["image_id"]), "category_id": 1, "score": i / 10}
            entries.append({**one, "bbox": [x0, y0, x1 - x0, y1 - y0]})
    path.write_text(json.dumps([e for e in entries if only is None or e["image_id"] in only]))
    return path


@pytest.mark.parametrize(
    "augment",
    [(), (RandomFlip(vertical=0.5), RandomRotation90()), (RandomCrop(relative=(0.6, 0.8), min_visible=0.0),)],
    ids=["plain", "mirrors", "crops"],
)
def test_proposals_go_wherever_the_objects_go(tmp_path, augment):
    """Proposals that are the objects' own boxes stay so, however images are turned, cut and resized."""
    listed = source()
    data = DetectionData(
        source=listed,
        batch_size=4,
        canvases=((96, 96),),
        short_side=80,
        long_side=96,
        training=bool(augment),
        augment=augment,
        proposals=write(tmp_path / "p.json", listed),
        max_proposals=6,
    )
    batch = next(data.dataset().as_numpy_iterator())
    assert batch["proposals"].shape == (4, 6, 4) and batch["proposal_scores"].shape == (4, 6)
    seen = 0
    for boxes, classes, proposals in zip(batch["boxes"], batch["classes"], batch["proposals"]):
        for box in boxes[classes > 0]:
            distance = np.abs(proposals - box).max(axis=-1).min()
            assert distance < 0.5  # pixels: a box that is cut is drawn in by a cell of its mask's grid at most
            seen += 1
    assert seen >= 8
    filled = (batch["proposals"][..., 2:] > batch["proposals"][..., :2]).all(-1)
    np.testing.assert_array_equal(batch["proposals"][~filled], 0)
    np.testing.assert_array_equal(batch["proposal_scores"][~filled], 0)
    assert (np.diff(batch["proposal_scores"], axis=1) <= 0).all()


def test_images_without_proposals_are_reported_and_have_none(tmp_path, caplog):
    listed = source()
    path = write(tmp_path / "p", listed, {0, 3})
    data = DetectionData(source=listed, batch_size=3, canvases=((64, 64),), short_side=None, proposals=path)
    assert "no proposals for 2 of 4 images" in caplog.text and data.proposals.missing == {1, 2}
    batches = list(data.dataset().as_numpy_iterator())
    filled = np.concatenate([(batch["proposals"][..., 2:] > 0).any((1, 2)) for batch in batches])
    np.testing.assert_array_equal(filled, [True, False, False, True, False, False])  # the last two only fill the batch
    with pytest.raises(ValueError, match="none for these 4"):
        DetectionData(source=listed, batch_size=1, proposals=write(tmp_path / "q", source(9), {8}))


def test_the_file_is_read_entry_by_entry_and_kept_by_score(tmp_path, monkeypatch):
    monkeypatch.setattr(proposal_file, "PIECE", 50)  # entries are longer: each is met in parts
    monkeypatch.setattr(proposals_module, "ROWS", 9)  # and the best are chosen part by part
    rng = np.random.default_rng(0)
    entries = [
        {"image_id": int(i), "bbox": rng.uniform(1, 20, 4).round(2).tolist(), "score": float(s)}
        for i, s in zip(rng.integers(5, 9, 60), rng.permutation(60))
    ]
    broken = [
        {"image_id": 5, "score": 1.0},
        {"image_id": 5, "bbox": [0, 0, 0, 9], "score": 1},
        {"bbox": [1, 2, 3, 4], "score": 1},
        {"image_id": 5, "bbox": [1, 2, float("nan"), 4], "score": 1},
    ]
    path = tmp_path / "p.json"
    path.write_text(json.dumps(entries + broken, indent=1))
    assert len(list(read_results(path))) == 64
    proposals = Proposals(path, max_proposals=7)
    assert proposals.num_skipped == 4
    for image in range(5, 9):
        own = sorted((e for e in entries if e["image_id"] == image), key=lambda e: -e["score"])[:7]
        boxes, scores = proposals.of_image(image)
        np.testing.assert_array_equal(scores, [e["score"] for e in own])
        x, y, w, h = np.array([e["bbox"] for e in own]).T
        np.testing.assert_allclose(boxes, np.stack([y, x, y + h, x + w], -1), rtol=1e-6)
    assert proposals.of_image(99)[0].shape == (0, 4) and proposals.missing == {99}
    with pytest.raises(ValueError, match="must lie in their images"):
        proposals.of_image(5, size=(10, 10))
    mask = np.zeros((30, 40), np.uint8, order="F")
    mask[4:9, 10:30] = 1
    code = coco_mask.encode(mask)
    code["counts"] = code["counts"].decode()
    path.write_text(json.dumps([{"image_id": 1, "score": 2, "segmentation": code}]))
    np.testing.assert_array_equal(Proposals(path).of_image(1, size=(30, 40))[0], [[4, 10, 9, 30]])
    with pytest.raises(ValueError, match="as large as their images"):
        Proposals(path).of_image(1, size=(60, 80))


def test_of_equal_scores_the_first_are_kept_and_boxes_end_with_their_image(tmp_path, monkeypatch):
    monkeypatch.setattr(proposals_module, "ROWS", 4)
    entries = [{"image_id": i % 2, "bbox": [i, -0.5, 9, 40.9], "score": 0.5} for i in range(20)]
    (tmp_path / "p.json").write_text(json.dumps(entries))
    proposals = Proposals(tmp_path / "p.json", max_proposals=3)
    boxes, _ = proposals.of_image(1, size=(40, 60))
    np.testing.assert_array_equal(boxes, [[0, x, 40, x + 9] for x in (1, 3, 5)])
    np.testing.assert_allclose(proposals.of_image(1)[0][0], [-0.5, 1, 40.4, 10], rtol=1e-6)


def test_as_many_are_kept_as_a_batch_has_slots(tmp_path):
    listed = source(2)
    entries = [{"image_id": i % 2, "bbox": [1, 1, 20, 20], "score": i} for i in range(4400)]
    (tmp_path / "p.json").write_text(json.dumps(entries))
    settings = {"source": listed, "batch_size": 1, "canvases": ((64, 96),), "proposals": tmp_path / "p.json"}
    for slots, kept in ((2100, 4200), (300, 4000)):  # what crops lose is made good from the rest
        assert DetectionData(max_proposals=slots, **settings).proposals.num_proposals == kept


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "is a list"),
        ("[1]", "list of objects"),
        ('[{"a": 1}, {"b', "breaks off .* after 1"),
        ("[]", "must have image_id"),
        ("", "is a list"),
    ],
)
def test_what_is_no_results_file_is_refused(tmp_path, text, message):
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        Proposals(tmp_path / "p.json")
    with pytest.raises(ValueError, match="there is none"):
        Proposals(tmp_path / "q.json")
