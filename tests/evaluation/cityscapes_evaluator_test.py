"""Cityscapes' AP against the rules word by word, a published value, and cases worked out by hand."""

import logging
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from panet_tf.evaluation.cityscapes_evaluator import CityscapesEvaluator
from panet_tf.evaluation.rle import encode_window, masks_to_rle
from panet_tf.ops.cityscapes_labels import THINGS, VOID_IDS, instance_label_ids
from tests.evaluation.slow_cityscapes_precision import LABELS, VOID, slow_precisions

HEIGHT, WIDTH = 12, 16
# Persons, riders and cars: objects, groups; a caravan as a label (void) and as an instance (not void); void; stuff.
IDS = (24000, 24001, 24007, 24, 25000, 25, 26000, 26001, 26, 29, 29000, 4, 7)


def scene(rng, num_regions=8, num_masks=7):
    """A map of rectangles on road, and detections: regions pushed about, strays, and some twice."""
    ids = np.full((HEIGHT, WIDTH), 7)
    for _ in range(num_regions):
        ids[rectangle(rng)] = rng.choice(IDS)
    detections = []
    for _ in range(num_masks):
        value = int(rng.choice(np.unique(ids)))
        mask = ids == value
        if rng.random() < 0.3:
            mask = np.roll(mask, rng.integers(-1, 2), rng.integers(2))
        if rng.random() < 0.3:
            mask[rectangle(rng, 4)] = rng.random() < 0.5
        label = value // 1000 or value
        label = label if rng.random() < 0.8 and label < 29 else int(rng.choice((24, 25, 26)))
        detections.append((mask, label, float(rng.choice((0.1, 0.5, 0.5, 0.9, 1.0)))))
    detections += [(mask, label, float(rng.random())) for mask, label, _ in detections[:2]]
    return ids, detections


def rectangle(rng, largest=7):
    top, left = rng.integers(0, HEIGHT), rng.integers(0, WIDTH)
    return slice(top, top + rng.integers(1, largest)), slice(left, left + rng.integers(1, largest))


def evaluated(images, **arguments):
    evaluator = CityscapesEvaluator({i: ids for i, (ids, _) in enumerate(images)}, **arguments)
    for i, (_, detections) in enumerate(images):
        evaluator.add(i, *(zip(*detections) if detections else ((), (), ())))
    return evaluator.result(per_category=True)


def check_against_twin(images, min_region):
    table = np.nan_to_num(slow_precisions(images, min_region), nan=-1)
    result = evaluated(images, min_region=min_region)
    for category, row in zip(THINGS, table, strict=True):
        np.testing.assert_allclose(result[f"cityscapes/AP/{category['name']}"], row.mean(), atol=1e-9)
        np.testing.assert_allclose(result[f"cityscapes/AP50/{category['name']}"], row[0], atol=1e-9)
    occurring = table[table[:, 0] >= 0]
    for name, values in (("AP", occurring), ("AP50", occurring[:, 0])):
        np.testing.assert_allclose(result[f"cityscapes/{name}"], values.mean() if values.size else -1, atol=1e-9)
    return table


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), num_images=st.integers(1, 3), min_region=st.sampled_from([1, 6, 15]))
def test_the_rules_word_by_word(seed, num_images, min_region):
    rng = np.random.default_rng(seed)
    check_against_twin([scene(rng) for _ in range(num_images)], min_region)


def test_many_images_have_many_values():
    """What the random scenes check is not all zeros and ones."""
    rng = np.random.default_rng(3)
    table = check_against_twin([scene(rng) for _ in range(40)], 6)
    assert len(np.unique(table[:3].round(6))) > 15


def test_the_labels_are_the_benchmarks():
    assert tuple(category["id"] for category in THINGS) == LABELS
    assert set(VOID_IDS) - {-1} == set(VOID)
    np.testing.assert_array_equal(instance_label_ids([{"id": 7}, {"id": 26}, {"name": "unnamed"}]), [-1, 26, -1])


def test_a_published_value():
    """Two persons, one called a rider: mmdetection's tests state 0.5 and 0.5, as the benchmark's program gives them.

    Source: mmdetection, `tests/test_evaluation/test_metrics/test_cityscapes_metric.py`.
    """
    first, second, mask = np.zeros((20, 20), int), np.zeros((20, 20), int), np.zeros((20, 20), bool)
    first[:10, :10], second[:10, :10], mask[:10, :10] = 24000, 24001, True
    result = evaluated([(first, [(mask, 24, 1.0)]), (second, [(mask, 25, 0.98)])])
    assert (result["cityscapes/AP"], result["cityscapes/AP50"]) == (0.5, 0.5)
    assert result["cityscapes/AP/rider"] == result["cityscapes/AP/car"] == -1


def square(top, left, side=10):
    mask = np.zeros((30, 60), bool)
    mask[top : top + side, left : left + side] = True
    return mask


def street(*regions):
    ids = np.full((30, 60), 7)
    for value, mask in regions:
        ids[mask] = value
    return ids


def ap50(ids, *detections):
    return evaluated([(ids, [(mask, 26, score) for mask, score in detections])])["cityscapes/AP50/car"]


def test_cases_by_hand():
    car, other = square(0, 0), square(0, 20)
    ids = street((26000, car), (26001, other))
    assert ap50(ids, (car, 0.9), (other, 0.8)) == 1.0
    # Points: recall 1 at precision 2 / 3, recall 1/2 at 1 / 2 and 1, recall 0 at 1; half the distance of neighbours.
    expected = 2 / 3 * 0.25 + 0.5 * 0.25 + 1 * 0.25 + 1 * 0.25
    assert ap50(ids, (car, 0.9), (car, 0.85), (other, 0.8)) == pytest.approx(expected)  # found twice: one is wrong
    assert ap50(ids, (other, 0.8), (car, 0.85), (car, 0.9)) == pytest.approx(expected)  # in any order
    # One score for all: recall 1 at precision 2 / 3, and recall 0 at precision 1, whatever was found.
    assert ap50(ids, (car, 0.9), (car, 0.9), (other, 0.9)) == pytest.approx(2 / 3 * 0.5 + 1 * 0.5)
    assert ap50(ids) == 0.0
    half = square(0, 0) & (np.arange(60) < 5)
    assert ap50(ids, (half, 0.9)) == 0.0  # the overlap, one half, must be exceeded
    assert ap50(street((26, car)), (car, 0.9)) == -1  # nothing but a group


@pytest.mark.parametrize(
    ("value", "side", "counts"),
    [
        (26, 10, False),  # a group
        (26005, 9, False),  # 81 pixels are below 100
        (29, 10, False),  # the label caravan is void
        (4, 10, False),
        (29000, 10, True),  # a caravan with a number is not
        (11, 10, True),
        (25000, 10, True),  # other labels' objects are no excuse
        (24, 10, True),  # nor their groups
    ],
)
def test_what_is_ignored(value, side, counts):
    car, there = square(0, 0), square(0, 20, side)
    wrong_one_first = ap50(street((26000, car), (value, there)), (there, 0.9), (car, 0.8))
    # Wrong and first: precision 1 / 2 at recall 1 and 0 at recall 0, half the distance each.
    assert wrong_one_first == (0.25 if counts else 1.0)


def test_a_mask_partly_on_what_is_ignored():
    """Half of its pixels, and no region overlapped by half, is one wrong mask; one pixel more is none."""
    car, mask = square(0, 0), square(0, 20)
    for columns, expected in ((5, 0.25), (6, 1.0)):
        void = square(0, 20) & (np.arange(60) < 20 + columns)
        assert ap50(street((26000, car), (5, void)), (mask, 0.9), (car, 0.8)) == expected
    # All that is left of a label may be left out: then nothing is found, and the AP is 0.
    assert ap50(street((26000, car), (5, mask)), (mask, 0.9)) == 0.0


def batch(rng, image_ids, size, detections=5):
    top_left = rng.uniform(-3, np.array(size) * 0.7, (len(image_ids), detections, 2))
    boxes = np.concatenate([top_left, top_left + rng.uniform(2, 12, top_left.shape)], -1)
    return {
        "image_ids": np.array(image_ids),
        "boxes": boxes.astype("float32"),
        "scores": rng.random(boxes.shape[:2]).astype("float32"),
        "classes": rng.integers(0, 4, boxes.shape[:2]).astype("int32"),
        "masks": rng.random((*boxes.shape[:2], 28, 28)).astype("float32") ** 0.3,
        "original_sizes": np.tile(np.float32(size), (len(image_ids), 1)),
    }


@pytest.fixture
def maps():
    rng = np.random.default_rng(0)
    return {image_id: scene(rng)[0] for image_id in (4, 9, 2)}


def test_batches_are_pasted_as_cocos(maps):
    rng = np.random.default_rng(1)
    predictions = batch(rng, [4, 9, -1, 2], (HEIGHT, WIDTH))
    # As if the first box were one of an object, so that something is found.
    inside = np.argwhere(maps[4] == np.unique(maps[4])[-1])
    predictions["boxes"][0, 0] = [*inside.min(0), *inside.max(0) + 1]
    predictions["classes"][0, 0] = LABELS.index(int(np.unique(maps[4])[-1]) // 1000) + 1
    predictions["scores"][1, 0] = np.nan
    evaluator = CityscapesEvaluator(maps, min_region=4, per_category=True)
    evaluator.update(predictions)
    as_codes = {key: value for key, value in predictions.items() if key not in ("boxes", "masks")}
    codes = np.empty(predictions["classes"].shape, object)
    for i in range(4):
        codes[i] = masks_to_rle(predictions["masks"][i], predictions["boxes"][i], (HEIGHT, WIDTH))
    other = CityscapesEvaluator(maps, min_region=4, per_category=True)
    other.update(as_codes | {"segmentations": codes})
    np.testing.assert_equal(evaluator.result(), other.result())
    assert evaluator.result()["cityscapes/AP50"] > 0


def test_images_that_never_came_are_missed(maps):
    ids = street((26000, square(0, 0)))
    evaluator = CityscapesEvaluator({0: ids, 1: ids, 2: ids})
    evaluator.add(1, [square(0, 0)], [26], [0.5])
    assert evaluator.result() == pytest.approx({"cityscapes/AP": 1 / 3, "cityscapes/AP50": 1 / 3})
    assert evaluator.result(seen_only=True) == {"cityscapes/AP": 1.0, "cityscapes/AP50": 1.0}
    with pytest.raises(ValueError, match="image id 1 has come before"):
        evaluator.add(1, [], [], [])
    evaluator.reset()
    assert evaluator.result()["cityscapes/AP"] == 0.0 and evaluator.result(seen_only=True)["cityscapes/AP"] == -1


def test_broken_maps_are_left_out(tmp_path, caplog):
    ids = street((26000, square(0, 0)))
    Image.fromarray(ids.astype(np.uint16)).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    Image.new("RGB", (4, 4)).save(tmp_path / "colours.png")
    given = {1: tmp_path / "good.png", 2: tmp_path / "bad.png", 3: tmp_path / "colours.png", 4: ids[:20], 5: ids - 9}
    evaluator = CityscapesEvaluator(given)
    evaluator.add(1, [square(0, 0)], [26], [0.5])
    codes = np.array([[encode_window(square(0, 0), 0, 0, (30, 60))]], object)
    seen = {"scores": np.ones((1, 1)), "classes": np.full((1, 1), 3), "segmentations": codes}
    with caplog.at_level(logging.WARNING):
        evaluator.update(seen | {"image_ids": np.array([4]), "original_sizes": np.array([[30, 60]])})
        assert evaluator.result()["cityscapes/AP"] == 1.0
    assert evaluator.num_skipped == 4
    for text in ("bad.png", "colours.png: a map", "its map is (20, 60)", "received -2 to 25991"):
        assert text in caplog.text


def test_what_is_wrong_is_said(maps):
    evaluator = CityscapesEvaluator(maps)
    with pytest.raises(ValueError, match=r"missing \['boxes', 'masks'\]"):
        evaluator.update({"image_ids": [], "scores": [], "classes": []})
    predictions = batch(np.random.default_rng(0), [4], (HEIGHT, WIDTH))
    with pytest.raises(ValueError, match="image id 5 is not in the ground truth, which holds 3"):
        evaluator.update(predictions | {"image_ids": np.array([5])})
    with pytest.raises(ValueError, match=r"classes must be 1..8 .*received 9"):
        evaluator.update(predictions | {"classes": np.full((1, 5), 9)})
    with pytest.raises(ValueError, match=r"a mask of it is \(3, 3\)"):
        evaluator.add(9, [np.ones((3, 3))], [26], [0.5])
    with pytest.raises(ValueError, match="dict from image ids"):
        CityscapesEvaluator("gtFine/val")
    with pytest.raises(ValueError, match="26 is car, received"):
        CityscapesEvaluator(maps, categories=[{"id": 26, "name": "dog"}])
    with pytest.raises(ValueError, match="must hold labels with instances"):
        CityscapesEvaluator(maps, categories=[{"id": 1, "name": "person"}])
    other = types.SimpleNamespace(source="nuclei", categories=THINGS)
    with pytest.raises(ValueError, match="source of CityscapesFiles"):
        CityscapesEvaluator.made_for(None, other)
