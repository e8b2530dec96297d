import numpy as np
import pytest
import tensorflow as tf
from pycocotools import mask as rle
from pycocotools.coco import COCO

from panet_tf.data.occluded_shapes_source import OccludedShapesSource
from tests.listed_source import iou, paste, tight_box


def masks_of(sample):
    height, width = sample["image"].shape[:2]
    return [rle.decode({"size": [height, width], "counts": counts}) for counts in sample["objects"]["segmentation"]]


def test_an_image_is_a_function_of_seed_and_index():
    one, same, other = (OccludedShapesSource(num_examples=9, seed=seed) for seed in (0, 0, 1))
    for a, b in zip(tf.nest.flatten(one.draw(4)), tf.nest.flatten(same.draw(4))):
        np.testing.assert_array_equal(a, b)
    assert (one.draw(4)["image"] != one.draw(5)["image"]).any()
    assert (one.draw(4)["image"] != other.draw(4)["image"]).any()


@pytest.mark.parametrize("size", [(64, 64), (48, 100), (256, 200)])
def test_annotations_agree_with_one_another(size):
    source = OccludedShapesSource(num_examples=6, image_size=size, seed=2)
    for index in range(6):
        sample = source.draw(index)
        objects, panoptic = sample["objects"], sample["panoptic"][..., 0]
        categories = sample["segments"]["category"]
        np.testing.assert_array_equal(categories[: len(objects["class"])], objects["class"])
        np.testing.assert_array_equal(objects["segment"], np.arange(1, len(objects["class"]) + 1))
        assert sample["image"].shape == (*size, 3) and sample["image"].dtype == np.uint8
        for position, mask in enumerate(masks_of(sample)):
            box = objects["box"][position]
            np.testing.assert_array_equal(box, tight_box(mask))
            assert objects["area"][position] == mask.sum()
            shown = panoptic == position + 1
            assert not (shown & (mask == 0)).any() and shown.sum() >= 0.1 * mask.sum()
            for name, truth in (("mask", mask > 0), ("visible_mask", shown)):
                grid = np.unpackbits(objects[name][position], axis=-1)
                assert iou(paste(grid, box, *size), truth) > 0.97
            for y, x, visibility in objects["keypoints"][position]:
                if visibility:
                    assert mask[int(y), int(x)]
                    assert (visibility == 2) == shown[int(y), int(x)]
        ground = categories[len(objects["class"]) :]
        assert len(set(ground)) == len(ground) and np.isin(ground, [9, 10, 11, 12]).all()
        assert panoptic.max() <= len(categories) and (panoptic == 0).mean() < 0.03  # void: what is left out


def test_depth_decides_what_shows():
    compared = 0
    for index in range(30):
        sample = OccludedShapesSource(num_examples=30).draw(index)
        depth, panoptic = sample["objects"]["depth"], sample["panoptic"][..., 0]
        assert sorted(depth) == list(range(len(depth)))
        masks = masks_of(sample)
        for a in range(len(masks)):
            for b in range(len(masks)):
                both = (masks[a] > 0) & (masks[b] > 0)
                if depth[a] < depth[b] and both.any():
                    assert not (panoptic[both] == b + 1).any()
                    compared += 1
    assert compared > 30


@pytest.mark.parametrize(("exceptions", "low", "high"), [(0.0, 0.0, 0.0), (0.3, 0.1, 0.35), (1.0, 0.4, 0.6)])
def test_depth_follows_the_habit_but_for_a_share_of_exceptions(exceptions, low, high):
    source = OccludedShapesSource(num_examples=60, image_size=(64, 64), exceptions=exceptions)
    against = pairs = 0
    for index in range(60):
        objects = source.draw(index)["objects"]
        order = np.argsort(-objects["depth"])  # from the ground up
        classes = objects["class"][order]
        for a in range(len(classes)):
            for b in range(a + 1, len(classes)):
                against += classes[a] > classes[b]
                pairs += classes[a] != classes[b]
    assert low <= against / pairs <= high


def test_overlap_is_as_asked_for():
    def hidden_share(overlap):
        source = OccludedShapesSource(num_examples=30, image_size=(96, 96), overlap=overlap)
        samples = [source.draw(index) for index in range(30)]
        shown = sum(np.isin(sample["panoptic"], sample["objects"]["segment"]).sum() for sample in samples)
        return 1 - shown / sum(sample["objects"]["area"].sum() for sample in samples)

    none, some, much = (hidden_share(overlap) for overlap in (0.0, 0.5, 1.0))
    assert none < 0.02 < some < much


def test_small_shapes_lie_on_large_ones_as_asked_for():
    """Small ones that lie wholly on a larger one, nearer: lost by who keeps the larger one first."""

    def per_image(small_on_top):
        source = OccludedShapesSource(num_examples=30, image_size=(96, 96), overlap=0.2, small_on_top=small_on_top)
        count = overlapping = 0
        for index in range(30):
            sample = source.draw(index)
            masks = np.array(masks_of(sample)).reshape(-1, 96 * 96).astype(np.int64)
            common, areas, depth = masks @ masks.T, masks.sum(1), sample["objects"]["depth"]
            on = (common > 0.9 * areas[:, None]) & (areas[:, None] < 0.5 * areas) & (depth[:, None] < depth)
            count += on.sum()
            overlapping += (masks.sum(0) > 1).any()
        return count / 30, overlapping / 30

    (few, _), (many, overlapping) = per_image(0.0), per_image(0.7)
    assert few < 0.7 and many > 1.8 and overlapping > 0.8


def test_the_panoptic_truth_is_what_shows():
    source = OccludedShapesSource(num_examples=2, image_size=(48, 64))
    truth, sample = source.panoptic_ground_truth(), source.draw(1)
    assert truth.categories == source.panoptic_categories and truth.image_ids == [0, 1]
    ids, segments = truth.ground_truth(1)
    np.testing.assert_array_equal(ids, sample["panoptic"][..., 0])
    assert [s["category_id"] for s in segments] == sample["segments"]["category"].tolist()
    for segment in segments:
        shown = ids == segment["id"]
        top, left, bottom, right = tight_box(shown)
        assert segment["area"] == shown.sum() and segment["bbox"] == [left, top, right - left, bottom - top]
    with pytest.raises(ValueError, match="received 7"):
        truth.ground_truth(7)


def test_every_category_occurs_and_scales_vary():
    source = OccludedShapesSource(num_examples=60, image_size=(128, 128))
    classes = np.concatenate([source.draw(index)["objects"]["class"] for index in range(60)])
    areas = np.concatenate([source.draw(index)["objects"]["area"] for index in range(60)])
    assert set(classes) == set(range(1, 9)) and len(source.categories) == 8
    assert np.bincount(classes)[1:].min() > 15
    assert np.quantile(areas, 0.95) > 15 * np.quantile(areas, 0.05)


def test_samples_come_in_order_or_shuffled():
    source = OccludedShapesSource(num_examples=6, image_size=((32, 48), (48, 32)))

    def ids(seed=None):
        return [int(sample["image_id"]) for sample in source.samples(shuffle_seed=seed)]

    assert ids() == list(range(6))
    assert sorted(ids(3)) == list(range(6)) and ids(3) == ids(3)
    assert len({tuple(ids(seed)) for seed in range(5)}) > 1
    shapes = [tuple(sample["image"].shape[:2]) for sample in source.samples()]
    assert shapes == [(32, 48), (48, 32)] * 3 == [tuple(size) for size in source.image_sizes]


def test_a_sample_in_a_graph_is_the_one_that_is_drawn():
    source = OccludedShapesSource(num_examples=3, image_size=(32, 32))
    sample = next(iter(tf.data.Dataset.range(2, 3).map(source.sample)))
    for value, expected in zip(tf.nest.flatten(sample), tf.nest.flatten(source.draw(2))):
        np.testing.assert_array_equal(value, expected)


def test_images_without_shapes():
    source = OccludedShapesSource(num_examples=12, image_size=(32, 32), instances=(0, 1))
    assert set(source.num_objects) == {0, 1}
    empty = source.draw(int(np.argmin(source.num_objects)))
    assert empty["objects"]["mask"].shape == (0, 112, 14) and empty["panoptic"].all()
    assert (empty["segments"]["category"] > 8).all()


def test_the_ground_truth_is_coco():
    source = OccludedShapesSource(num_examples=3, image_size=(48, 64))
    truth = source.coco_ground_truth()
    coco = COCO()
    coco.dataset = truth
    coco.createIndex()
    assert len({annotation["id"] for annotation in truth["annotations"]}) == len(truth["annotations"])
    for index in range(3):
        sample = source.draw(index)
        annotations = coco.imgToAnns[index]
        for annotation, mask, box, label, points in zip(
            annotations,
            masks_of(sample),
            *(sample["objects"][key] for key in ("box", "class", "keypoints")),
            strict=True,
        ):
            np.testing.assert_array_equal(coco.annToMask(annotation), mask)
            left, top, width, height = annotation["bbox"]
            np.testing.assert_array_equal((top, left, top + height, left + width), box)
            assert coco.loadCats(annotation["category_id"])[0] == source.categories[label - 1]
            x, y, visibility = np.reshape(annotation["keypoints"], (-1, 3)).T
            labelled = visibility > 0
            np.testing.assert_allclose(np.stack([y, x], -1)[labelled] + 0.5, points[labelled, :2], atol=1e-4)


@pytest.mark.parametrize(
    "arguments",
    [
        {"image_size": (8, 64)},
        {"image_size": (64,)},
        {"instances": (3, 2)},
        {"instances": (0, 1000)},
        {"overlap": 1.5},
        {"exceptions": -0.1},
        {"small_on_top": 2.0},
        {"num_examples": 0},
    ],
)
def test_wrong_arguments(arguments):
    with pytest.raises(ValueError, match="received"):
        OccludedShapesSource(**arguments)
