"""The masks of one image's detections, each in its window, with the data set's ids."""

import numpy as np
from absl import logging

from panet_tf.evaluation.rle import decode
from panet_tf.ops.paste_window import paste_window

NEEDED = ("image_ids", "scores", "classes")


def check_predictions(predictions):
    """Refuses a batch without what `instance_windows` needs; returns it as arrays.

    Raises:
        ValueError: naming what is missing.
    """
    needed = [*NEEDED, *(() if "segmentations" in predictions else ("boxes", "masks"))]
    missing = [key for key in needed if key not in predictions]
    if missing:
        raise ValueError(f"predictions of instances need {needed}, missing {missing}.")
    return {key: np.asarray(value) for key, value in predictions.items()}


def instance_windows(image_id, prediction, category_ids, size, *, threshold=0.5, whole_pixels=False):
    """Pastes the masks of one image, one after the other, so that only one is held.

    Args:
        image_id: for messages.
        prediction: dict of one image's arrays: `scores` (D,), `classes` (D,), 0 for padding, and `boxes` (D, 4) with
            `masks` (D, m, m), or run-length codes `segmentations` (D,).
        category_ids: int (K,), of classes 1..K; a class with -1 is left out.
        size: (height, width) of the image.
        threshold: float, of pasted probabilities. Defaults to 0.5.
        whole_pixels: the rule of pasting, see `panet_tf.ops.paste_window`. Defaults to False.

    Yields:
        Tuples of the window, bool (h, w); int, int, the image's row and column of its first pixel; int, the category
        id; float, the score.

    Raises:
        ValueError: a class without a category, or a run-length code of another size.
    """
    keep = np.flatnonzero(prediction["classes"] > 0)
    classes = prediction["classes"][keep].astype("int64")
    if classes.size and classes.max() > len(category_ids):
        raise ValueError(f"classes must be 1..{len(category_ids)} (one a category), received {classes.max()}.")
    pasted = "segmentations" in prediction
    finite = np.isfinite(prediction["scores"][keep])
    if not pasted:
        finite &= np.isfinite(prediction["boxes"][keep]).all(-1)
    if not finite.all():
        logging.warning("Image %s: %d detections that are not finite left out.", image_id, np.sum(~finite))
    for slot in keep[finite]:
        category = int(category_ids[int(prediction["classes"][slot]) - 1])
        if category < 0:
            continue
        if pasted:
            window, top, left = decode(prediction["segmentations"][slot]), 0, 0
            if window.shape != tuple(size):
                raise ValueError(f"image {image_id} is {tuple(size)}, a mask of it is {window.shape}.")
        else:
            probabilities, box = prediction["masks"][slot], prediction["boxes"][slot]
            window, top, left = paste_window(probabilities, box, size, whole_pixels=whole_pixels)
            window = window >= threshold
        yield window, top, left, category, float(prediction["scores"][slot])
