"""Recall of proposals, checked by pycocotools without categories and by the thesis's own table."""

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from panet_tf.evaluation.proposal_matching import area_under_curve, log_spaced_counts, matched_ranks
from panet_tf.evaluation.proposal_recall import ProposalRecall, boxes_around
from panet_tf.evaluation.rle import masks_to_rle

SIZE = (200, 260)


def disc(size=28):
    y, x = np.mgrid[:size, :size] / (size - 1) - 0.5
    return (y**2 + x**2 < 0.23).astype("float32")


def scene(seed, images=5, objects=9):
    """Discs of all sizes in two categories, one in five a crowd; one image is empty."""
    rng = np.random.default_rng(seed)
    truth = {
        "images": [{"id": 7 + i, "height": SIZE[0], "width": SIZE[1]} for i in range(images)],
        "annotations": [],
        "categories": [{"id": 9, "name": "a"}, {"id": 2, "name": "b"}],
    }
    for i in range(images - 1):
        for _ in range(objects):
            height, width = np.exp(rng.uniform(np.log(12), np.log(180), 2))
            y, x = rng.uniform(0, SIZE[0] - height), rng.uniform(0, SIZE[1] - width)
            box = [y, x, y + height, x + width]
            code = masks_to_rle([disc()], [box], SIZE)[0]
            truth["annotations"].append(
                {
                    "id": len(truth["annotations"]) + 1,
                    "image_id": 7 + i,
                    "category_id": int(rng.choice([9, 2])),
                    "bbox": [x, y, width, height],
                    "segmentation": code,
                    "iscrowd": int(rng.random() < 0.2),
                    "area": float(height * width * 0.72),
                }
            )
    return truth


def proposals(truth, slots=60, seed=1):
    """Objects' boxes moved a little, and boxes anywhere; many of equal scores."""
    rng = np.random.default_rng(seed)
    number = len(truth["images"])
    batch = {
        "image_ids": np.array([image["id"] for image in truth["images"]]),
        "boxes": np.zeros((number, slots, 4), "float32"),
        "scores": np.round(rng.random((number, slots)), 1).astype("float32"),
        "classes": np.ones((number, slots), "int32"),
        "masks": np.tile(disc(), (number, slots, 1, 1)),
    }
    batch["classes"][0, 40:] = 0
    batch["classes"][1] = 0  # nothing proposed at all
    for i, image_id in enumerate(batch["image_ids"]):
        own = [a["bbox"] for a in truth["annotations"] if a["image_id"] == image_id] or [[0, 0, 9, 9]]
        for d in range(slots):
            x, y, width, height = own[rng.integers(len(own))]
            noise = rng.normal(0, 0.12, 4) * np.array([height, width, height, width])
            batch["boxes"][i, d] = np.array([y, x, y + height, x + width]) + noise * rng.integers(0, 2)
    return batch


def reference(truth, batch, metric, counts):
    """pycocotools' recall (T, 4 areas, counts)."""
    results = []
    for i, image_id in enumerate(batch["image_ids"].tolist()):
        for d in np.flatnonzero(batch["classes"][i]):
            y0, x0, y1, x1 = batch["boxes"][i, d].astype("float64").tolist()
            one = {"image_id": image_id, "category_id": 2, "score": float(batch["scores"][i, d])}
            if metric == "segm":
                one["segmentation"] = masks_to_rle([batch["masks"][i, d]], [[y0, x0, y1, x1]], SIZE)[0]
            else:
                one["bbox"] = [x0, y0, x1 - x0, y1 - y0]
            results.append(one)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {**truth, "annotations": [dict(a) for a in truth["annotations"]]}
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(results), metric)
        evaluation.params.useCats = 0
        evaluation.params.maxDets = list(counts)
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval["recall"][:, 0]


@pytest.mark.parametrize("seed", [0, 1])
def test_recall_is_that_of_pycocotools_without_categories(seed):
    truth, counts = scene(seed), (1, 3, 10, 50)
    batch = proposals(truth, seed=seed + 10)
    evaluator = ProposalRecall(truth, counts=counts)
    for rows in (slice(0, 2), slice(2, None)):
        evaluator.update({key: value[rows] for key, value in batch.items()})
    result = evaluator.result()
    for metric in ("bbox", "segm"):
        expected = reference(truth, batch, metric, counts)
        table = evaluator.table(metric)["recall"]
        np.testing.assert_allclose(table[..., np.array(counts) - 1], expected, atol=1e-12)
        assert 0.1 < result[f"proposals/{metric}/AR50"] < 0.95
        for i, area in enumerate("sml", start=1):
            assert result[f"proposals/{metric}/AR{area}"] == pytest.approx(expected[:, i, -1].mean(), abs=1e-12)
        places = log_spaced_counts(50)
        averages = reference(truth, batch, metric, places.tolist()).mean(axis=0)
        for area, average in zip(("", "s", "m", "l"), averages):
            trapezoids = np.diff(np.log10(places)) * (average[1:] + average[:-1]) / 2
            expected = trapezoids.sum() / np.log10(50)
            assert result[f"proposals/{metric}/AUC{area}"] == pytest.approx(expected, abs=1e-12)


def test_proposals_that_are_no_numbers_reach_nothing_and_are_counted():
    truth = scene(0, images=2, objects=6)
    own = [a["bbox"] for a in truth["annotations"] if not a["iscrowd"]]
    x, y, width, height = np.array(own).T
    boxes, scores = np.stack([y, x, y + height, x + width], axis=-1), np.full(len(own), 0.5)
    found = []
    for score, corner in ((0.5, y[0]), (np.nan, y[0]), (np.inf, y[0]), (0.5, np.nan)):
        scores[0], boxes[0, 0] = score, corner
        evaluator = ProposalRecall(truth, metrics="bbox", counts=(10,))
        evaluator.add(7, scores, boxes=boxes)
        result = evaluator.result()
        found.append((round(len(own) * result["proposals/bbox/AR10"]), result.get("proposals/skipped_proposals", 0)))
    assert found == [(len(own), 0)] + 3 * [(len(own) - 1, 1)]
    evaluator.reset()
    assert evaluator.num_skipped_proposals == 0


def test_objects_without_a_mask_count_for_boxes_alone():
    truth, counts = scene(0), (1, 10, 50)
    batch = proposals(truth)
    with_masks = {**truth, "annotations": truth["annotations"][4:]}
    maskless = sum(not a["iscrowd"] for a in truth["annotations"][:4])
    given = {
        **truth,
        "annotations": [{k: v for k, v in a.items() if k != "segmentation"} for a in truth["annotations"]],
    }
    boxes_alone = ProposalRecall(given, counts=counts)
    boxes_alone.update({key: value for key, value in batch.items() if key != "masks"})
    given["annotations"][4:] = with_masks["annotations"]
    evaluator = ProposalRecall(given, counts=counts)
    evaluator.update(batch)
    for metric, known in (("bbox", truth), ("segm", with_masks)):
        expected = reference(known, batch, metric, counts)
        np.testing.assert_allclose(evaluator.table(metric)["recall"][..., np.array(counts) - 1], expected, atol=1e-12)
    result = evaluator.result()
    assert result["proposals/segm/skipped_annotations"] == maskless > 0
    boxes = {name: value for name, value in result.items() if "bbox" in name}
    assert boxes == boxes_alone.result() and "proposals/bbox/skipped_annotations" not in boxes


def test_masks_alone_have_the_boxes_around_them():
    truth = scene(0, images=2)
    codes = [a["segmentation"] for a in truth["annotations"]]
    found = []
    for boxes in (None, boxes_around(codes)):
        evaluator = ProposalRecall(truth, counts=(10,))
        evaluator.add(7, np.ones(len(codes)), boxes=boxes, masks=codes)
        found.append(evaluator.result())
    assert found[0] == found[1] and found[0]["proposals/bbox/AR10"] > 0.5


@given(
    seed=st.integers(0, 10_000),
    objects=st.integers(0, 6),
    slots=st.integers(1, 25),
    crowds=st.sampled_from([0.0, 0.5, 1.0]),
    grid=st.sampled_from([1, 40]),
)
@settings(deadline=None, max_examples=25, derandomize=True)
def test_recall_is_the_api_s_on_any_scene(seed, objects, slots, crowds, grid):
    """Ties of overlaps and scores, crowds alone, images with neither objects nor proposals, areas on the borders."""
    rng = np.random.default_rng(seed)
    truth = {"images": [{"id": i, "height": 200, "width": 260} for i in (5, 3, 8)], "annotations": []}
    truth["categories"] = [{"id": number, "name": str(number)} for number in (4, 1, 2)]
    for image_id in (5, 3):  # the third has no objects
        for _ in range(objects):
            x, y, width, height = (grid * np.ceil(rng.uniform(1, 100, 4) / grid)).tolist()
            truth["annotations"].append(
                {
                    "id": len(truth["annotations"]) + 1,
                    "image_id": image_id,
                    "category_id": int(rng.choice([4, 1, 2])),
                    "bbox": [x, y, width, height],
                    "iscrowd": int(rng.random() < crowds),
                    "area": float(rng.choice([width * height, 32**2, 96**2, 0])),
                }
            )
    boxes = (grid * np.ceil(rng.uniform(1, 100, (3, slots, 4)) / grid)).astype("float32")
    for i, image in enumerate(truth["images"]):
        own = [a["bbox"] for a in truth["annotations"] if a["image_id"] == image["id"]]
        for d in range(0, slots * bool(own), 2):
            boxes[i, d] = np.array(own[rng.integers(len(own))])[[1, 0, 3, 2]] + rng.integers(0, 2) * rng.integers(0, 9)
    boxes[..., 2:] += boxes[..., :2]
    batch = {"image_ids": np.array([5, 3, 8]), "boxes": boxes, "classes": np.ones((3, slots), "int32")}
    batch["classes"][1, slots // 2 :] = 0
    batch["classes"][0] *= seed % 3 > 0  # at times nothing is proposed where objects are
    batch["scores"] = np.round(rng.random((3, slots)), 1).astype("float32")
    counts = (1, 4, 20)
    evaluator = ProposalRecall(truth, metrics="bbox", counts=counts)
    evaluator.update(batch)
    found = evaluator.table("bbox")["recall"][..., np.array(counts) - 1]
    expected = reference(truth, batch, "bbox", counts) if batch["classes"].any() else None
    if expected is None:  # the API cannot load an empty list
        assert not (found > 0).any()
    else:
        np.testing.assert_allclose(found, expected, atol=1e-9)


def test_empty_scenes_and_unseen_images():
    truth = scene(0)
    evaluator = ProposalRecall(truth, metrics="bbox", counts=(10,))
    assert evaluator.result()["proposals/bbox/AR10"] == 0.0  # nothing came: all are missed
    batch = proposals(truth)
    evaluator.update({key: value[4:] for key, value in batch.items()})  # the image without objects
    assert evaluator.result(seen_only=True)["proposals/bbox/AUCs"] == -1.0
    evaluator.update(
        {
            key: np.where(value == 7, -1, value) if key == "image_ids" else value
            for key, value in ((k, v[:1]) for k, v in batch.items())
        }
    )
    assert evaluator.result()["proposals/bbox/AR10"] == 0.0  # a padding image brings nothing
    evaluator.update({key: value[2:3] for key, value in batch.items()})
    assert evaluator.result(seen_only=True)["proposals/bbox/AR10"] > evaluator.result()["proposals/bbox/AR10"] > 0
    with pytest.raises(ValueError, match="has come before"):
        evaluator.update({key: value[2:3] for key, value in batch.items()})
    with pytest.raises(ValueError, match=r"missing \['masks'\]"):
        ProposalRecall(truth, metrics="segm").update({k: v for k, v in batch.items() if k != "masks"})


def test_boxes_around_masks_count_where_boxes_are_frames():
    """Frames twice as large as their discs reach nothing, the boxes around the discs everything."""
    truth = scene(3, images=2, objects=3)
    for annotation in truth["annotations"]:
        annotation["iscrowd"] = 0
        y, x, y1, x1 = boxes_around([annotation["segmentation"]])[0]
        annotation["bbox"] = [x, y, x1 - x, y1 - y]
    small = np.pad(disc(), 14)
    batch = {
        "image_ids": np.array([7]),
        "boxes": np.zeros((1, 3, 4)),
        "scores": np.ones((1, 3)),
        "classes": np.ones((1, 3)),
        "masks": np.tile(small, (1, 3, 1, 1)),
    }
    for d, annotation in enumerate(truth["annotations"]):
        x, y, width, height = annotation["bbox"]
        batch["boxes"][0, d] = y - height / 2, x - width / 2, y + 1.5 * height, x + 1.5 * width
    found = {}
    for tight in (False, True):
        evaluator = ProposalRecall(truth, counts=(3,), tight_boxes=tight)
        evaluator.update(batch)
        found[tight] = evaluator.table("bbox", seen_only=True)["recall"][0, 0, -1], evaluator.result(seen_only=True)
    assert (found[False][0], found[True][0]) == (0.0, 1.0)
    assert found[False][1]["proposals/segm/AR3"] == found[True][1]["proposals/segm/AR3"] > 0.7


def test_of_equal_overlaps_the_later_object_is_taken_as_the_api_does():
    ranks = matched_ranks([[0.6, 0.6], [0.6, 0.3]], np.ones((1, 2), bool), [0.5])
    np.testing.assert_array_equal(ranks[0, 0], [1, 0])
    np.testing.assert_array_equal(matched_ranks(np.zeros((0, 2)), np.ones((1, 2), bool), [0.5])[0, 0], [0, 0])


# Lin's thesis, Table 3.3: AR at 10, 100 and 1000 proposals, and AUC; boxes, then segments.
TABLE = [
    (7.4, 17.8, 33.8, 13.9), (4.0, 18.0, 35.9, 12.6), (5.2, 16.3, 35.7, 12.6), (10.1, 24.6, 39.8, 18.0),
    (12.8, 29.2, 42.6, 21.4), (15.3, 31.3, 44.6, 23.3), (15.0, 32.6, 48.2, 24.2), (18.7, 34.9, 46.5, 26.2),
    (19.7, 36.4, 48.2, 27.4), (20.1, 39.4, 52.8, 29.1), (19.2, 39.9, 55.0, 29.2),
    (2.3, 12.3, 25.3, 8.5), (2.5, 9.5, 23.0, 7.4), (7.7, 18.6, 29.9, 13.7), (12.6, 24.5, 33.1, 18.3),
    (12.7, 26.1, 36.6, 19.4), (14.4, 25.8, 33.1, 19.4), (15.6, 27.6, 35.5, 20.9), (16.1, 30.3, 39.2, 22.4),
    (15.4, 30.7, 40.8, 22.5),
]  # fmt: skip


def test_log_spaced_counts_reproduce_the_printed_areas():
    """A cubic through the printed recalls, and a fifth of the first for one proposal, which the table does not give."""
    counts = log_spaced_counts(1000)
    assert counts[0] == 1 and counts[-1] == 1000 and len(counts) > 20
    for at_10, at_100, at_1000, printed in TABLE:
        cubic = np.polyfit([0, 1, 2, 3], [at_10 / 5, at_10, at_100, at_1000], 3)
        got = area_under_curve(counts, np.polyval(cubic, np.log10(counts)))
        assert abs(got - printed) < 0.35  # points of recall: the guess for one proposal weighs an eighth
        linear = np.polyval(cubic, np.log10(np.arange(1, 1001))).mean()
        assert linear - printed > 9
    assert area_under_curve([1], [0.3]) == 0.3
