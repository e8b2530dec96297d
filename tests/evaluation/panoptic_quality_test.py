"""Panoptic quality against panopticapi's recorded numbers, two other programs' tests, and a count by hand."""

import json
import pathlib
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from panet_tf.evaluation.panoptic_folder import PanopticFolder
from panet_tf.evaluation.panoptic_quality import PanopticQuality
from tests.conftest import GOLDEN
from tests.evaluation.slow_panoptic_quality import slow_counts, slow_result

DATA = pathlib.Path(__file__).parent / "data"
CATEGORIES = (
    {"id": 1, "name": "cell", "isthing": 1},
    {"id": 7, "name": "rod", "isthing": 1},
    {"id": 200, "name": "sky", "isthing": 0},
)


def one_row(*values):
    return np.array([values], "int32")


def counts(quality):
    return {row["id"]: (row["tp"], row["fp"], row["fn"]) for row in quality.per_category() if row["n"]}


@pytest.mark.golden
def test_panopticapi():
    truth, found = (PanopticFolder(GOLDEN / "panoptic" / f"{name}.json") for name in ("gt", "pred"))
    expected = json.loads((GOLDEN / "panoptic" / "expected.json").read_text())
    quality = PanopticQuality(truth.categories)
    for image_id in truth.image_ids:
        quality.update(*truth.ground_truth(image_id), *found.ground_truth(image_id), name=image_id)
    result, rows = quality.result(), quality.per_category()
    for group, suffix, thing in (("All", "", None), ("Things", "_things", True), ("Stuff", "_stuff", False)):
        for key in ("pq", "sq", "rq"):
            assert result[key + suffix] == pytest.approx(expected[group][key], abs=1e-9), (group, key)
        assert sum(row["n"] > 0 for row in rows if thing in (None, row["isthing"])) == expected[group]["n"]
    for category_id, numbers in expected.get("per_class", {}).items():
        row = next(row for row in rows if str(row["id"]) == category_id)
        assert {key: row[key] for key in numbers} == pytest.approx(numbers, abs=1e-9)


def bdd100k(path):
    """Labels and segments of a bdd100k bitmask."""
    picture = np.asarray(Image.open(path)).astype("int32")
    labels = picture[..., 2] * 256 + picture[..., 3]
    segments = []
    for number in np.unique(labels[labels > 0]).tolist():
        category, attributes = picture[labels == number][0, :2]
        segments.append({"id": number, "category_id": int(category), "iscrowd": int(attributes & 3 > 0)})
    return labels, segments


@pytest.mark.golden
def test_bdd100k():
    """Their program leaves the pixels on void in the union, which panopticapi takes out: six pixels of one image."""
    categories = [{"id": k, "name": str(k), "isthing": k > 30} for k in range(1, 41)]
    quality = PanopticQuality(categories, void_in_union=True)
    for name in ("a", "b"):
        quality.update(*bdd100k(DATA / "bdd100k/gt" / f"{name}.png"), *bdd100k(DATA / "bdd100k/pred" / f"{name}.png"))
    expected = {"pq": 66.46278879162743, "sq": 68.35183709387516, "rq": 85.29411764705883}
    expected |= {"pq_stuff": 64.38602380902118, "sq_stuff": 66.52694521823528, "rq_stuff": 83.33333333333333}
    expected |= {"pq_things": 82.03852616117427, "sq_things": 82.03852616117427, "rq_things": 100.0}
    assert {key: 100 * value for key, value in quality.result().items()} == pytest.approx(expected, abs=1e-9)
    # A third image, the first again, to which there is no prediction.
    quality.missed(bdd100k(DATA / "bdd100k/gt/a.png")[1])
    expected |= {"pq": 49.385236103572474, "rq": 62.35294117647057, "pq_stuff": 48.677620814166644}
    expected |= {"rq_stuff": 61.77777777777776, "pq_things": 54.69235077411619, "rq_things": 66.66666666666666}
    assert {key: 100 * value for key, value in quality.result().items()} == pytest.approx(expected, abs=1e-9)


def deeplab2(classes, instances):
    """Labels 256 class + instance and their segments; class 0 is void."""
    labels = np.where(classes > 0, 256 * classes + instances, 0)
    return labels, [{"id": n, "category_id": n // 256} for n in np.unique(labels[labels > 0]).tolist()]


@pytest.mark.golden
def test_deeplab2():
    colors = {(0, 0, 255): 1, (255, 0, 0): 2, (0, 255, 0): 3, (255, 0, 255): 4, (0, 255, 255): 5, (255, 255, 0): 6}
    team = dict.fromkeys((47, 97, 133, 150, 174, 215, 244, 255), 1) | {198: 2}
    truths = {"bird_gt": {92: 5, 176: 3, 255: 4}, "cat_gt": {255: 6}, "team_gt_instance": team}
    quality = PanopticQuality([{"id": k, "name": str(k), "isthing": 1} for k in range(1, 7)])
    for name, classes in truths.items():

        def read(part, mode):
            return np.asarray(Image.open(DATA / "deeplab2" / f"{part}.png").convert(mode)).astype("int64")  # noqa: B023

        instances = read(name, "L")
        truth = deeplab2(np.vectorize(lambda n: classes.get(n, 0))(instances), instances)  # noqa: B023
        stem = name.split("_")[0]
        painted = read(f"{stem}_pred_class", "RGB")
        found = sum(np.all(painted == color, axis=-1) * number for color, number in colors.items())
        quality.update(*truth, *deeplab2(found, read(f"{stem}_pred_instance", "L")))
    result = quality.result()
    # Their test states seven or eight digits.
    assert result["pq"] == pytest.approx(0.76855499, abs=5e-8)
    assert result["sq"] == pytest.approx(0.7769174, abs=5e-8)
    assert result["rq"] == pytest.approx(0.98888892, abs=5e-8)
    rows = quality.per_category()
    assert [sum(row[key] for row in rows) / 6 for key in ("tp", "fn", "fp")] == pytest.approx([2.0, 1 / 6, 0.0])


@st.composite
def scenes(draw):
    """Maps of a few segments that partly agree, with void, crowds, ids of every size, and areas that are off."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size = tuple(rng.integers(1, 12, 2))
    largest = draw(st.sampled_from([8, 300, 2**24 - 1, 2**40]))

    def ids(count):
        return (
            rng.choice(min(largest, 10**6), min(count, largest), replace=False).astype("int64")
            * max(largest // 10**6, 1)
            + 1
        )

    true_ids, found_ids = ids(rng.integers(0, 7)), ids(rng.integers(1, 7))
    truth = np.concatenate([[0], true_ids])[rng.integers(0, len(true_ids) + 1, size)]
    copied = rng.uniform(size=size) < 0.7  # pixels in which the prediction agrees
    pairs = dict(zip([0, *true_ids.tolist()], rng.choice([0, *found_ids], len(true_ids) + 1).tolist()))
    found = np.concatenate([[0], found_ids])[rng.integers(0, len(found_ids) + 1, size)]
    found = np.where(copied, np.vectorize(pairs.get)(truth), found)
    kinds = [1, 7, 200]
    category = dict(zip(true_ids.tolist(), rng.choice(kinds, len(true_ids)).tolist()))
    back = {number: true for true, number in pairs.items()}
    truth_segments = []
    for i, number in enumerate(rng.permutation(true_ids).tolist()):
        segment = {"id": number, "category_id": category[number] if i != 5 else 99, "iscrowd": int(rng.random() < 0.3)}
        if rng.random() < 0.5:
            segment["area"] = int((truth == number).sum() + rng.integers(0, 3))
        truth_segments.append(segment)
    found_segments = []
    for number in np.unique(found[found > 0]).tolist():
        agreeing = category.get(back.get(number), 1)
        found_segments.append({"id": number, "category_id": agreeing if rng.random() < 0.8 else int(rng.choice(kinds))})
    return truth, truth_segments, found, found_segments


@settings(deadline=None, max_examples=50)
@given(images=st.lists(scenes(), min_size=1, max_size=4))
def test_a_count_by_hand(images):
    quality = PanopticQuality(CATEGORIES)
    total = {category["id"]: np.zeros(4) for category in CATEGORIES}
    for scene in images:
        quality.update(*scene)
        for category_id, numbers in slow_counts(*scene).items():
            if category_id in total:
                total[category_id] += numbers
    for row in quality.per_category():
        assert (row["tp"], row["fp"], row["fn"]) == tuple(total[row["id"]][1:])
    result = quality.result()
    for suffix, thing in (("", None), ("_things", 1), ("_stuff", 0)):
        group = [category for category in CATEGORIES if thing in (None, category["isthing"])]
        *expected, _ = slow_result(total, group)
        assert [result[key + suffix] for key in ("pq", "sq", "rq")] == pytest.approx(expected, abs=1e-12)


def test_workers_add_up():
    rng = np.random.default_rng(0)
    images = []
    for _ in range(6):
        labels = rng.integers(0, 4, (2, 9, 9))
        segments = [{"id": 1, "category_id": 1}, {"id": 2, "category_id": 7}, {"id": 3, "category_id": 200}]
        images.append((labels[0], segments, np.where(rng.random((9, 9)) < 0.8, labels[0], labels[1]), segments))
    whole, first, second = (PanopticQuality(CATEGORIES) for _ in range(3))
    for i, image in enumerate(images):
        whole.update(*image)
        (first if i % 2 else second).update(*image)
    first.merge(pickle.loads(pickle.dumps(second)).state())  # as it comes from another process
    assert first.num_images == 6
    assert first.result(per_category=True) == pytest.approx(whole.result(per_category=True))
    assert set(whole.result(per_category=True)) >= {"pq/cell", "sq/rod", "rq/sky"}
    second.merge(second)  # every sum doubles, no mean changes
    assert second.num_images == 6
    with pytest.raises(ValueError, match="same categories"):
        first.merge(PanopticQuality(CATEGORIES[::-1]))
    with pytest.raises(ValueError, match="sums of"):
        first.merge(PanopticQuality(CATEGORIES[:2]).state())
    whole.reset()
    assert whole.result()["pq"] == -1.0 and whole.num_images == 0


def test_half_is_no_match():
    quality = PanopticQuality(CATEGORIES)
    segments = [{"id": 4, "category_id": 1}]
    quality.update(one_row(4, 4, 0, 0), segments, one_row(4, 0, 0, 0), segments)
    assert counts(quality) == {1: (0, 1, 1)}
    quality.reset()
    quality.update(one_row(4, 4, 4, 0), segments, one_row(4, 4, 0, 0), segments)
    assert counts(quality) == {1: (1, 0, 0)} and quality.result()["pq"] == pytest.approx(2 / 3)


def test_void_is_taken_out_of_the_union_and_excuses():
    quality = PanopticQuality(CATEGORIES)
    cell = [{"id": 4, "category_id": 1}]
    quality.update(one_row(4, 4, 0, 0), cell, one_row(4, 4, 4, 4), cell)
    assert quality.result()["pq"] == 1.0
    two = [{"id": 1, "category_id": 1}, {"id": 2, "category_id": 1}]
    quality.reset()
    quality.update(one_row(4, 0, 0, 4, 4, 0), [{"id": 4, "category_id": 7}], one_row(1, 1, 1, 2, 2, 2), two)
    assert counts(quality) == {1: (0, 1, 0), 7: (0, 0, 1)}  # 2 / 3 on void is excused, 1 / 3 is not


def test_only_the_last_crowd_of_a_category_excuses():
    truth, found = one_row(1, 1, 2, 2), one_row(3, 3, 5, 5)
    crowds = [{"id": 1, "category_id": 1, "iscrowd": 1}, {"id": 2, "category_id": 1, "iscrowd": 1}]
    cells = [{"id": 3, "category_id": 1}, {"id": 5, "category_id": 1}]
    for order in (1, -1):
        quality = PanopticQuality(CATEGORIES)
        quality.update(truth, crowds[::order], found, cells)
        assert counts(quality) == {1: (0, 1, 0)}
    quality.reset()  # a crowd of another category excuses nothing
    quality.update(truth, crowds, found, [{"id": 3, "category_id": 7}, {"id": 5, "category_id": 7}])
    assert counts(quality) == {7: (0, 2, 0)}


def test_areas_of_the_json_or_of_the_pixels():
    truth = [{"id": 1, "category_id": 1, "area": 4}]
    found = [{"id": 1, "category_id": 1}]
    for areas, pq in (("json", 0.75), ("pixels", 1.0)):
        quality = PanopticQuality(CATEGORIES, areas=areas)
        quality.update(one_row(1, 1, 1, 0), truth, one_row(1, 1, 1, 0), found)
        assert quality.result()["pq"] == pytest.approx(pq)


def test_true_maps_and_lists_that_disagree_are_counted():
    quality = PanopticQuality(CATEGORIES)
    # 9 is in no list: neither void nor a segment; 6 has no pixels: missed.
    truth = [{"id": 4, "category_id": 1}, {"id": 6, "category_id": 7}]
    quality.update(one_row(4, 4, 9, 9), truth, one_row(4, 4, 5, 5), [*truth[:1], {"id": 5, "category_id": 200}])
    assert counts(quality) == {1: (1, 0, 0), 7: (0, 0, 1), 200: (0, 1, 0)}
    assert quality.num_disagreements == 1


@pytest.mark.parametrize(
    "labels, segments, rule",
    [
        (one_row(3, 8), [(3, 1)], "image 139: segment 8 is in the predicted map"),
        (one_row(3, 3), [(3, 1), (8, 1)], "image 139: segment 8 is in the prediction's list"),
        (one_row(3, 3), [(3, 2)], "segment 3 of the prediction has the unknown category id 2"),
        (one_row(3, 3), [(3, 1), (3, 7)], "3 occurs twice"),
        (one_row(0, 3), [(0, 1), (3, 7)], "positive"),
        (one_row(3, 3, 3), [(3, 1)], "one size"),
        (one_row(3, 3)[0], [(3, 1)], "height, width"),
        (one_row(3, -3), [(3, 1)], "segment -3 is in the predicted map"),
    ],
)
def test_broken_predictions(labels, segments, rule):
    segments = [{"id": number, "category_id": category} for number, category in segments]
    quality = PanopticQuality(CATEGORIES)
    with pytest.raises(ValueError, match=rule):
        quality.update(one_row(1, 1), [{"id": 1, "category_id": 1}], labels, segments, name=139)
    assert quality.num_images == 0 and not counts(quality)


def test_nothing_at_all():
    quality = PanopticQuality(CATEGORIES)
    quality.update(np.zeros((0, 5), "uint8"), [], np.zeros((0, 5), "int64"), [])
    quality.update(np.zeros((4, 5), "uint8"), [], np.zeros((4, 5), "int64"), [])
    assert set(quality.result().values()) == {-1.0}


@pytest.mark.parametrize("categories", [(), CATEGORIES[:1] * 2, ({"id": 1, "name": "a"},)])
def test_wrong_categories(categories):
    with pytest.raises(ValueError, match="categories must"):
        PanopticQuality(categories)
