"""Keypoints of one image out of a model's predictions."""

import contextlib

import numpy as np

from panet_tf.ops.keypoint_decoding import decode_exactly


def keypoint_result(prediction, keep, score="softmax"):
    """Keypoints of the kept slots, read exactly where the prediction holds the maps.

    Args:
        prediction: dict of one image's arrays: `keypoints` (D, J, 3), and with `keypoint_logits` (D, S, S, J) also
            `keypoint_rois` (D, 4), `scales` (2,) and `offsets` (2,).
        keep: int (n,), slots.
        score: as in `panet_tf.ops.keypoint_decoding.decode_exactly`, for exact readings.

    Returns:
        float32 (n, J, 3): y, x in pixels of the image, score.
    """
    if "keypoint_logits" not in prediction:
        return np.asarray(prediction["keypoints"][keep], "float32")
    return decode_exactly(
        prediction["keypoint_logits"][keep],
        prediction["keypoint_rois"][keep],
        score=score,
        scales=prediction["scales"],
        offsets=prediction["offsets"],
    )


@contextlib.contextmanager
def keeping_logits(model, keep):
    """While it lasts, a model with keypoints predicts their maps too (`keep`), or does not; `None` changes nothing.

    What was traced before stays as it was.
    """
    head = getattr(model, "keypoint_head", None)
    if head is None or keep is None:
        yield
        return
    before, head.keep_logits = head.keep_logits, keep
    try:
        yield
    finally:
        head.keep_logits = before
