"""Mean shapes, against a twin that goes pixel by pixel, and what they are worth."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from panet_tf.evaluation.rle import masks_to_rle
from panet_tf.evaluation.segment_overlap import segment_overlap
from panet_tf.inference.shape_mask_baseline import shape_mask_baseline
from panet_tf.inference.shape_masks import ShapeMasks
from tests.evaluation.proposal_recall_test import SIZE, scene


def slow_means(truth, category, size, classes):
    """The rule pixel by pixel: masks decoded whole, the pixel under each place's centre."""
    own = [a for a in truth["annotations"] if not a["iscrowd"] and category in (None, a["category_id"])]
    ratios = [np.log(a["bbox"][2] / a["bbox"][3]) for a in own]
    borders = [np.quantile(ratios, i / classes) for i in range(1, classes)]
    grids = [[] for _ in range(classes)]
    for annotation, ratio in zip(own, ratios):
        mask = coco_mask.decode(annotation["segmentation"])
        x, y, width, height = annotation["bbox"]
        grid = np.zeros((size, size))
        for i in range(size):
            for j in range(size):
                row = min(max(int(np.floor(y + (i + 0.5) / size * height)), 0), mask.shape[0] - 1)
                column = min(max(int(np.floor(x + (j + 0.5) / size * width)), 0), mask.shape[1] - 1)
                grid[i, j] = mask[row, column]
        grids[sum(ratio >= border for border in borders)].append(grid)
    whole = np.mean([grid for group in grids for grid in group], axis=0)
    return np.stack([np.mean(group, axis=0) if group else whole for group in grids])


def test_means_are_those_of_the_slow_twin(tmp_path):
    truth = scene(1, images=6)
    truth["categories"].append({"id": 77, "name": "never seen"})
    shapes = ShapeMasks.learned(truth, size=7, num_aspects=3, prior=0, threshold=0.4)
    assert (shapes.threshold, shapes.names) == (0.4, ("a", "b", "never seen"))
    for row, category in enumerate((9, 2, None)):
        np.testing.assert_allclose(shapes.means[row], slow_means(truth, category, 7, 3), atol=1e-6)
    shapes.save(tmp_path / "shapes.npz")
    again = ShapeMasks.load(tmp_path / "shapes.npz")
    boxes, ids = [[0, 0, 90, 10], [0, 0, 10, 90], [5, 5, 50, 50]], [9, 9, 77]
    assert (again.threshold, again.names) == (shapes.threshold, shapes.names)
    found = again(boxes, ids)
    np.testing.assert_array_equal(found, shapes(boxes, ids))
    np.testing.assert_array_equal(found[0], shapes.means[0, 0])  # tall
    np.testing.assert_array_equal(found[1], shapes.means[0, 2])  # wide
    assert shapes([], []).shape == (0, 7, 7)
    with pytest.raises(ValueError, match="received 5"):
        shapes([[0, 0, 1, 1]], [5])


def test_wider_means_count_as_so_many_instances():
    truth = scene(1, images=6)
    truth["categories"].append({"id": 77, "name": "never seen"})
    plain = ShapeMasks.learned(truth, size=7, num_aspects=1, prior=0)
    drawn = ShapeMasks.learned(truth, size=7, num_aspects=1, prior=5)
    of_all = slow_means(truth, None, 7, 1)
    for row, category in enumerate((9, 2)):
        n = sum(a["category_id"] == category and not a["iscrowd"] for a in truth["annotations"])
        of_category = (n * plain.means[row] + 5 * of_all) / (n + 5)
        # The class of aspects is the whole category here, and is drawn to it again.
        np.testing.assert_allclose(drawn.means[row], (n * plain.means[row] + 5 * of_category) / (n + 5), atol=1e-6)
    np.testing.assert_allclose(drawn.means[2], of_all, atol=1e-6)
    assert np.abs(drawn.means - plain.means)[:2].max() > 1e-3


def blobs(seed=0, images=6, objects=5):
    """Instances that cover a random third of their boxes, each another: no place is covered by half of them."""
    rng = np.random.default_rng(seed)
    truth = scene(seed, images=images, objects=objects)
    for annotation in truth["annotations"]:
        annotation["iscrowd"] = 0
        x, y, width, height = annotation["bbox"]
        cells = rng.random((7, 7)) < 0.35
        cells[3] |= rng.random(7) < 0.5  # the middle is likelier
        box = [y, x, y + height, x + width]
        annotation["segmentation"] = masks_to_rle([cells.astype("float32").repeat(4, 0).repeat(4, 1)], [box], SIZE)[0]
    return truth


def test_the_threshold_is_that_of_the_highest_overlap_with_instances_left_out():
    """Each instance beside what is learned of the file without it."""
    truth = blobs()
    overlaps = np.zeros(19)
    for annotation in truth["annotations"]:
        others = {**truth, "annotations": [a for a in truth["annotations"] if a is not annotation]}
        shapes = ShapeMasks.learned(others, size=7, num_aspects=1, prior=3, threshold=0.5)
        x, y, width, height = annotation["bbox"]
        shape = shapes([[y, x, y + height, x + width]], [annotation["category_id"]])[0]
        one = {**truth, "annotations": [annotation]}
        own = ShapeMasks.learned(one, size=7, num_aspects=1, prior=0, threshold=0.5)
        mask = own([[y, x, y + height, x + width]], [annotation["category_id"]])[0] > 0.5
        for i in range(19):
            covered = shape >= (i + 1) / 20 - 1e-6  # shapes are float32
            overlaps[i] += (mask & covered).sum() / (mask | covered).sum()
    learned = ShapeMasks.learned(truth, size=7, num_aspects=1, prior=3).threshold
    assert overlaps[round(20 * learned) - 1] == pytest.approx(overlaps.max()) and learned < 0.5
    # It is what the baseline takes, and it helps: at one half hardly a place would be covered.
    shapes = ShapeMasks.learned(truth, size=7, num_aspects=1, prior=3)
    at_half = shape_mask_baseline(shapes, truth, threshold=0.5)["shape"]["overlap"]["mean"]
    assert shape_mask_baseline(shapes, truth)["shape"]["overlap"]["mean"] > at_half + 0.05


def test_mean_shapes_beat_whole_boxes_on_discs():
    """Discs fill 0.72 of their boxes; their mean is a disc again."""
    truth = scene(1, images=6)
    judged = shape_mask_baseline(ShapeMasks.learned(truth), truth)
    whole, shape = judged["box"]["overlap"], judged["shape"]["overlap"]
    assert whole["matched"] == shape["matched"] == shape["objects"] > 25
    assert 0.6 < whole["mean"] < 0.8 < 0.9 < shape["mean"] and judged["shape"]["AP"] > judged["box"]["AP"] + 0.2
    assert set(shape["per_category"]) == {"a", "b"} and len(judged["results"]) == shape["objects"]


def test_overlap_counts_correct_detections_alone():
    truth = scene(1, images=3)
    own = [a for a in truth["annotations"] if not a["iscrowd"]]
    keys = ("image_id", "category_id", "bbox", "segmentation")
    results = [{key: a[key] for key in keys} | {"score": 0.5} for a in own]
    assert segment_overlap(truth, results)["mean"] == 1.0
    x, y, width, height = results[0]["bbox"]
    results[0]["bbox"] = [x + 0.6 * width, y, width, height]  # IoU 0.25
    other = {9: 2, 2: 9}
    results[1]["category_id"] = other[results[1]["category_id"]]
    results.append({**results[2], "score": 0.4})  # a second one of the same object
    found = segment_overlap(truth, results)
    assert found["matched"] == len(own) - 2 and found["mean"] == 1.0
    assert segment_overlap(truth, [])["mean"] == -1.0


def test_detections_choose_by_score_and_the_best_object():
    """Two objects that both fit; the detection that comes later in the list chooses first."""
    near, far = [20, 20, 60, 60], [20, 32, 60, 60]  # x, y, width, height: IoU 2/3
    truth = {"images": [{"id": 1, "height": SIZE[0], "width": SIZE[1]}], "categories": [{"id": 2, "name": "b"}]}

    def mask(box, part):
        x, y, width, height = box
        return masks_to_rle(np.ones((1, 28, 28)), [[y, x, y + height * part, x + width]], SIZE)[0]

    one = {"image_id": 1, "category_id": 2}
    truth["annotations"] = [
        {**one, "id": i, "bbox": box, "segmentation": mask(box, 1)} for i, box in enumerate((far, near))
    ]
    results = [
        {**one, "bbox": near, "segmentation": mask(near, 0.25), "score": 0.3},
        {**one, "bbox": near, "segmentation": mask(near, 0.5), "score": 0.9},
    ]
    # The better score takes `near`, which its mask covers by half, and leaves `far` to the other.
    other = 3 / 72  # rows 20 to 35 beside rows 32 to 92
    assert segment_overlap(truth, results)["mean"] == pytest.approx((0.5 + other) / 2, abs=0.01)
    assert segment_overlap(truth, results[1:])["mean"] == pytest.approx(0.5, abs=0.01)


def test_detections_that_cannot_be_used_are_left_out_and_counted(caplog):
    truth = scene(1, images=3)
    shapes = ShapeMasks.learned(truth)
    own = [a for a in truth["annotations"] if not a["iscrowd"]]
    good = [{key: a[key] for key in ("image_id", "category_id", "bbox")} | {"score": 0.5} for a in own]
    broken = [{key: value for key, value in good[0].items() if key != left_out} for left_out in good[0]]
    expected = shape_mask_baseline(shapes, truth, boxes=good)
    found = shape_mask_baseline(shapes, truth, boxes=good + broken)
    assert found["skipped"] == 4 and f"of image {good[0]['image_id']} left out" in caplog.text
    assert found | {"skipped": 0} == expected


def test_boxes_of_unknown_images_are_refused():
    truth = scene(1, images=3)
    box = {"image_id": 999, "category_id": 9, "bbox": [0, 0, 5, 5], "score": 1}
    with pytest.raises(ValueError, match="image id 999"):
        shape_mask_baseline(ShapeMasks.learned(truth), truth, boxes=[box])
    with pytest.raises(ValueError, match="without any"):
        ShapeMasks.learned({"images": [], "annotations": [], "categories": []})
