"""Numbering: panoptic categories, the thing classes of a detector, and the classes of a semantic head.

One place for all of it, read by the data that make labels, the heads that predict them and the merging that reads the
predictions. NumPy only: everything is known before any graph is built.
"""

from typing import NamedTuple

import numpy as np

CONTEXTS = ("all", "stuff_ignore", "stuff_plus_thing")
IGNORE = 255


class SemanticClasses(NamedTuple):
    """What `semantic_classes` gives. P panoptic categories, K of them things, C classes of the semantic head."""

    num_classes: int  # C
    of_category: np.ndarray  # int32 (P + 1,): semantic class of panoptic category p = 1..P, 255 = ignore; [0] is void
    is_thing: np.ndarray  # bool (P + 1,): [0], void, is False
    is_stuff: np.ndarray  # bool (P + 1,)
    stuff_category: np.ndarray  # int32 (C,): the panoptic category 1..P of a stuff class; 0 for classes of things
    thing_category: np.ndarray  # int32 (K + 1,): the panoptic category 1..P of the detector's class k = 1..K; [0] is 0
    thing_class: np.ndarray  # int32 (P + 1,): the detector's class 1..K of a panoptic category; 0 for stuff and void


def semantic_classes(categories, context="all"):
    """Which class of a semantic head each panoptic category is, by the object context that the head is trained with.

    Panoptic category p = 1..P is `categories[p - 1]`, 0 is void. Things keep their order and become the detector's
    classes 1..K (`thing_categories`). Classes of the semantic head count from 0, 255 is ignored by its loss:

    | context | classes | things |
    |---|---|---|
    | `"all"` | P, all categories in their order | a class each (OANet, section 4.3) |
    | `"stuff_ignore"` | the stuff categories in their order | 255, ignored (OANet's Table 2, first row) |
    | `"stuff_plus_thing"` | 0, then the stuff categories in their order | all class 0 (Panoptic FPN, section 3) |

    Args:
        categories: sequence of dicts with `"id"`, `"name"` and `"isthing"` (0 or 1), in the data set's order.
        context: `"all"`, `"stuff_ignore"` or `"stuff_plus_thing"`. Defaults to `"all"`.

    Returns:
        `SemanticClasses`.

    Raises:
        ValueError: for an unknown context, a category without `isthing`, no category, or more than 255.

    Example:
        >>> categories = [{"id": 1, "name": "person", "isthing": 1}, {"id": 92, "name": "sky", "isthing": 0}]
        >>> semantic_classes(categories).of_category
        array([255,   0,   1], dtype=int32)

    Source: OANet, section 4.3; detectron2, `prepare_panoptic_fpn.py` for the place of the class of all things.
    """
    if context not in CONTEXTS:
        raise ValueError(f"context must be one of {CONTEXTS}, received {context!r}.")
    if len(categories) > IGNORE:
        raise ValueError(f"categories must be at most {IGNORE}, the label of void, received {len(categories)}.")
    is_thing = np.array([False, *_things(categories)])
    is_stuff = ~is_thing
    is_stuff[0] = False
    count = len(categories)
    if context == "all":
        classes, num_classes = np.arange(count), count
    else:
        first = int(context == "stuff_plus_thing")
        classes = np.where(is_stuff[1:], np.cumsum(is_stuff[1:]) - 1 + first, 0 if first else IGNORE)
        num_classes = int(is_stuff.sum()) + first
    of_category = np.array([IGNORE, *classes], np.int32)
    stuff_category = np.zeros(num_classes, np.int32)
    stuff_category[of_category[is_stuff]] = np.flatnonzero(is_stuff)
    return SemanticClasses(
        num_classes=num_classes,
        of_category=of_category,
        is_thing=is_thing,
        is_stuff=is_stuff,
        stuff_category=stuff_category,
        thing_category=np.array([0, *np.flatnonzero(is_thing)], np.int32),
        thing_class=np.where(is_thing, np.cumsum(is_thing), 0).astype(np.int32),
    )


def thing_categories(categories):
    """The categories of the detector, class k = 1..K being the k-th thing.

    Args:
        categories: as in `semantic_classes`.

    Returns:
        Tuple of dicts.

    Raises:
        ValueError: for a category without `isthing`.
    """
    return tuple(category for category, thing in zip(categories, _things(categories)) if thing)


def _things(categories):
    missing = [dict(category) for category in categories if "isthing" not in category]
    if missing or not len(categories):
        raise ValueError(
            f'panoptic categories must each say "isthing", 0 or 1, received {missing[:3] or "no categories"}.'
        )
    return [bool(category["isthing"]) for category in categories]
