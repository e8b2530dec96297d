"""COCO's categories, as published detectors number them."""

import functools
import json
import pathlib

KINDS = ("coco_80", "coco_90", "coco_person", "coco_panoptic")


@functools.cache
def _table():
    return json.loads(pathlib.Path(__file__).with_name("data").joinpath("coco_categories.json").read_text())


def coco_categories(kind="coco_80"):
    """Categories of COCO 2017 in the order of a published detector's classes.

    Args:
        kind: `"coco_80"`, the categories that have objects; `"coco_90"`, all ids from 1 to 90, those that are unused
            with `None` for a name, as torchvision numbers its classes; `"coco_person"`, the one with keypoints; or
            `"coco_panoptic"`, 80 things and 53 kinds of stuff. Defaults to `"coco_80"`.

    Returns:
        Tuple of dicts with `"id"` and `"name"`; persons have `"keypoints"` and `"skeleton"` where they are asked for,
        panoptic categories `"isthing"`.

    Raises:
        ValueError: for another kind.

    Example:
        >>> coco_categories("coco_90")[11]
        {'id': 12, 'name': None}
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {KINDS}, received {kind!r}.")
    table = _table()
    if kind == "coco_panoptic":
        return tuple(dict(category) for category in table["categories"])
    things = [
        {"id": category["id"], "name": category["name"]} for category in table["categories"] if category["isthing"]
    ]
    if kind == "coco_90":
        names = {category["id"]: category["name"] for category in things}
        things = [{"id": number, "name": names.get(number)} for number in range(1, 91)]
    if kind == "coco_person":
        things = [{**things[0], "keypoints": list(table["keypoints"]), "skeleton": table["skeleton"]}]
    return tuple(things)
