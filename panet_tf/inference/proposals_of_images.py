"""Images and their proposals, one by one."""

import itertools

import numpy as np

_MISSING = object()


def proposals_of_images(model, images, proposals):
    """Pairs images with the proposals that a model without a region proposal network takes.

    Args:
        model: anything; one whose `takes_proposals` is true needs proposals, others refuse them.
        images: iterable.
        proposals: iterable of as many float arrays (n, 4), or `None`.

    Returns:
        Iterator of pairs: an image, and its proposals float32 (n, 4), or `None` for models that take none.

    Raises:
        ValueError: proposals are missing, not wanted, not as many as images, or no boxes.

    Example:
        >>> list(proposals_of_images(model, ["a.png"], [[[0, 0, 9, 9]]]))
        [('a.png', array([[0., 0., 9., 9.]], dtype=float32))]
    """
    wanted = getattr(model, "takes_proposals", False)
    if wanted and proposals is None:
        raise ValueError(
            "a model without rpn_head takes its regions from outside: give proposals=, float (n, 4), yxyx in each "
            "image's pixels, received None."
        )
    if not wanted and proposals is not None:
        raise ValueError("this model finds its regions itself, received proposals.")
    return _pairs(images, proposals)


def _pairs(images, proposals):
    if proposals is None:
        yield from ((image, None) for image in images)
        return
    pairs = itertools.zip_longest(images, proposals, fillvalue=_MISSING)
    for index, (image, boxes) in enumerate(pairs):
        if image is _MISSING or boxes is _MISSING:
            shorter = "images" if image is _MISSING else "proposals"
            raise ValueError(f"proposals must be as many as images, received no more {shorter} after {index}.")
        boxes = np.asarray(boxes, "float32")
        boxes = boxes.reshape(-1, 4) if boxes.size == 0 else boxes
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise ValueError(f"proposals must be (n, 4) for each image, received {boxes.shape} for image {index}.")
        yield image, boxes
