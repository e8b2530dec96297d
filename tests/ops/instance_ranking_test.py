"""Canvas, labels and scores of the ranking beside loops over cells."""

import numpy as np
import tensorflow as tf

from panet_tf.ops.instance_ranking import class_canvas, instance_cells, ranking_labels, ranking_scores
from panet_tf.ops.masks import paste_masks_numpy

CLASSES = np.int32([[1, 1, 2, 3, 0], [3, 2, 2, 2, 1]])


def scene(seed=0):
    rng = np.random.default_rng(seed)
    centres, halves = rng.uniform(8, 40, (2, 5, 2)), rng.uniform(6, 20, (2, 5, 2))
    boxes = np.concatenate([centres - halves, centres + halves], -1).astype("float32")
    boxes[1, 3] = 30.2, 17.1, 31.0, 18.0  # between the centres of cells
    masks = rng.uniform(0.3, 1, (2, 5, 9, 9)).astype("float32")
    return masks, boxes, instance_cells(masks, boxes, CLASSES > 0, size=(12, 14), stride=4).numpy()


def test_cells_are_those_whose_centres_are_covered():
    masks, boxes, cells = scene()
    for b, n in np.ndindex(2, 5):
        expected = paste_masks_numpy(masks[b, n][None], boxes[b, n][None] / 4, (12, 14))[0]
        if (b, n) == (1, 3):
            assert not expected.any()
            expected[30 // 4, 17 // 4] = True
        np.testing.assert_array_equal(cells[b, n], expected & (CLASSES[b, n] > 0))
    canvas = class_canvas(cells, CLASSES, 3).numpy()
    for b, k in np.ndindex(2, 3):
        np.testing.assert_array_equal(canvas[b, ..., k], cells[b][CLASSES[b] == k + 1].any(0))


def test_only_conflicts_are_taught():
    _, _, cells = scene()
    rng = np.random.default_rng(1)
    panoptic = rng.integers(0, 6, (2, 12, 14)).astype("int32")
    labels = ranking_labels(cells, CLASSES, panoptic).numpy()
    taught = 0
    for b, y, x in np.ndindex(2, 12, 14):
        slot = panoptic[b, y, x]
        conflict = sum(cells[b, n, y, x] for n in range(5) if CLASSES[b, n]) >= 2
        shown = CLASSES[b, slot - 1] if slot else 0
        assert labels[b, y, x] == (shown - 1 if conflict and shown else 255)
        taught += labels[b, y, x] != 255
    assert 20 < taught < 150
    coarse = ranking_labels(cells[:, :, ::2, ::2], CLASSES, panoptic).numpy()
    assert coarse.shape == (2, 6, 7)
    fine = ranking_labels(cells.repeat(2, 2).repeat(2, 3), CLASSES, panoptic)
    np.testing.assert_array_equal(fine, labels.repeat(2, 1).repeat(2, 2))


def test_scores_are_means_over_masks():
    _, _, cells = scene()
    probabilities = tf.nn.softmax(np.random.default_rng(2).normal(size=(2, 12, 14, 3)).astype("float32")).numpy()
    found = ranking_scores(probabilities, cells, CLASSES, share_blobs=False).numpy()
    for b, n in np.ndindex(2, 5):
        inside = cells[b, n] > 0
        expected = probabilities[b][inside][:, CLASSES[b, n] - 1].mean() if inside.any() else 0.0
        np.testing.assert_allclose(found[b, n], expected, rtol=1e-5)  # float32 sums


def test_a_blob_of_one_category_shares_its_score():
    cells = np.zeros((1, 5, 4, 12), "float32")
    for n, columns in enumerate([(0, 3), (2, 5), (4, 8), (9, 12), (1, 4)]):
        cells[0, n, :, slice(*columns)] = 1  # the third joins the first by way of the second; the fourth lies apart
    classes = np.int32([[1, 1, 1, 1, 2]])
    probabilities = tf.nn.softmax(np.random.default_rng(3).normal(size=(1, 4, 12, 2)).astype("float32")).numpy()
    own = ranking_scores(probabilities, cells, classes, share_blobs=False)[0].numpy()
    shared = ranking_scores(probabilities, cells, classes)[0].numpy()
    assert shared[0] == shared[1] == shared[2]  # to the last bit, so that the detection score decides
    np.testing.assert_allclose(shared[0], (3 * own[0] + 3 * own[1] + 4 * own[2]) / 10, rtol=1e-5)
    np.testing.assert_allclose(shared[3:], own[3:], rtol=1e-6)
