"""Which keypoints change their names in a mirror: the left eye becomes the right one."""

import re

import numpy as np

LEFT_RIGHT = (("left", "right"), ("l", "r"))
TOP_BOTTOM = (("top", "bottom"), ("upper", "lower"), ("up", "down"))


def mirrored_keypoints(names, words=LEFT_RIGHT):
    """The order in which a mirror leaves keypoints, by their names.

    Args:
        names: sequence of str, such as COCO's `"left_eye"`.
        words: pairs of words that a mirror exchanges, wherever they stand as words of their own. Defaults to left and
            right, l and r.

    Returns:
        list of J ints: keypoint j of the mirrored object is keypoint j' of the original. Those whose counterpart is
        not among the names stay.

    Example:
        >>> mirrored_keypoints(["nose", "left_eye", "right_eye"])
        [0, 2, 1]
    """
    other = {word: counterpart for one, two in words for word, counterpart in ((one, two), (two, one))}
    lower = [str(name).lower() for name in names]
    pattern = re.compile(rf"(?<![a-z])({'|'.join(other)})(?![a-z])")
    mirrored = [pattern.sub(lambda found: other[found[0]], name) for name in lower]
    place = {name: j for j, name in enumerate(lower)}
    return [place.get(name, j) for j, name in enumerate(mirrored)]


def mirror_table(categories, words=LEFT_RIGHT):
    """`mirrored_keypoints` of every class.

    Args:
        categories: sequence of dicts, with the names of their `"keypoints"` where they have any.
        words: as in `mirrored_keypoints`.

    Returns:
        NumPy int32 (K + 1, J), row 0 for empty slots, J the most keypoints that a category has; or `None` where no
        keypoint ever changes its place.
    """
    names = [list(category.get("keypoints") or ()) for category in categories]
    number = max(map(len, names), default=0)
    table = np.tile(np.arange(number, dtype="int32"), (len(names) + 1, 1))
    for row, of_category in zip(table[1:], names):
        row[: len(of_category)] = mirrored_keypoints(of_category, words)
    return table if (table != np.arange(number)).any() else None
