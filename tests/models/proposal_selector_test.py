import numpy as np
import tensorflow as tf

from panet_tf.models.proposal_selector import ProposalSelector

ANCHORS = {
    "P2": tf.constant([[0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30]], tf.float32),
    "P3": tf.constant([[0, 0, 10, 10]], tf.float32),
}
OBJECTNESS = {"P2": tf.constant([[1.0, 2.0, 0.0]]), "P3": tf.constant([[3.0]])}
DELTAS = {"P2": tf.zeros((1, 3, 4)), "P3": tf.zeros((1, 1, 4))}
SIZES = tf.constant([[25.0, 25.0]])


def test_suppression_stays_within_levels_and_boxes_within_the_image():
    boxes, logits, valid = ProposalSelector(pre_nms_top_k=3, post_nms_top_k=5)(OBJECTNESS, DELTAS, ANCHORS, SIZES)
    np.testing.assert_array_equal(valid, [[True, True, True, False, False]])
    np.testing.assert_allclose(boxes[0, :3], [[0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 25, 25]])
    np.testing.assert_allclose(logits[0, :3], [3, 2, 0])


def test_training_and_inference_keep_different_numbers():
    selector = ProposalSelector(pre_nms_top_k=(3, 2), post_nms_top_k=(4, 2))
    assert selector(OBJECTNESS, DELTAS, ANCHORS, SIZES, training=True)[0].shape == (1, 4, 4)
    assert selector(OBJECTNESS, DELTAS, ANCHORS, SIZES, training=False)[0].shape == (1, 2, 4)


def test_no_gradient_passes_to_the_network():
    deltas = {level: tf.Variable(value) for level, value in DELTAS.items()}
    with tf.GradientTape() as tape:
        boxes, _, _ = ProposalSelector(pre_nms_top_k=3, post_nms_top_k=5)(
            OBJECTNESS, {level: value * 1.0 for level, value in deltas.items()}, ANCHORS, SIZES
        )
        total = tf.reduce_sum(boxes)
    assert all(gradient is None for gradient in tape.gradient(total, list(deltas.values())))


def test_config_round_trip():
    selector = ProposalSelector(pre_nms_top_k=(3, 2), post_nms_top_k=4, iou_threshold=0.6, min_size=2.0)
    again = ProposalSelector.from_config(selector.get_config())
    assert again.get_config() == selector.get_config()
    assert again.post_nms_top_k == (4, 4)
