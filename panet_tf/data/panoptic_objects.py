"""From the segments of one image, of any quality, to what panoptic training and evaluation can rely on."""

import numpy as np
from pycocotools import mask as mask_utils

from panet_tf.data.json_numbers import number, whole
from panet_tf.data.segment_maps import encode_map, number_segments, segment_instances
from panet_tf.ops.panoptic_ids import MAX_ID
from panet_tf.ops.segment_extents import segment_extents

_INSIDE = 0.5  # share of a segment that lies in the instance that it belongs to


def clean_segments(segments, id_map, *, category_of, is_thing, add):
    """Numbers the segments of an image: things first, then stuff, each in the order they came in.

    A segment needs a whole-number id of 1..16,777,215 (what COCO's pictures can hold), a known category and at least a
    pixel. What is left out, and what the map shows without listing it, is void. Areas are counted in the map.

    Args:
        segments: list of dicts with `"id"` and `"category_id"`, optional `"iscrowd"` and `"area"`.
        id_map: int (h, w), the id at each pixel, 0 being void.
        category_of: dict from a category's id to its place 1..P in the list; 0 for known ones that are left out.
        is_thing: bool (P + 1,), by place.
        add: function of (action, rule, detail, annotation id), for what was wrong.

    Returns:
        Pair of the segment map uint16 (h, w) and a dict of arrays over the S segments: `id` int64, `category` int32
        1..P, `is_crowd` bool, `area` int64, `box` int32 (S, 4) yxyx.
    """
    found, unwanted = {}, set()
    for segment in segments:
        identity = whole(segment.get("id")) if isinstance(segment, dict) else None
        if identity is None or not 0 < identity <= MAX_ID:
            add("skipped annotation", "segment without a usable id", str(segment)[:100], None)
            continue
        category = category_of.get(whole(segment.get("category_id")))
        crowd = segment.get("iscrowd", 0)
        if identity in found:
            add("skipped annotation", "segment id is used twice in an image, the first counts", "", identity)
        elif category is None:
            add("skipped annotation", "unknown category_id", repr(segment.get("category_id")), identity)
        elif number(crowd) not in (0, 1):
            add("skipped annotation", "iscrowd is not 0 or 1", repr(crowd), identity)
        elif not category:
            unwanted.add(identity)
        else:
            found[identity] = category, number(crowd) == 1, number(segment.get("area"))
    order = sorted(found, key=lambda identity: not is_thing[found[identity][0]])
    segment_map = number_segments(id_map, order)
    areas, boxes = segment_extents(segment_map, len(order))
    for identity in np.array(order, np.int64)[areas == 0].tolist():
        add("skipped annotation", "segment has no pixel", "", identity)
    shown = np.flatnonzero(areas)
    if len(shown) < len(order):
        order = [order[place] for place in shown]
        segment_map, areas, boxes = number_segments(id_map, order), areas[shown], boxes[shown]
    for identity, area in zip(order, areas.tolist()):
        given = found[identity][2]
        if given is not None and given != area:
            add("note", "area differs from the map's, the map's is used", f"{given:g} and {area}", identity)
    nameless = set(np.unique(id_map[segment_map == 0]).tolist()) - {0} - unwanted - set(found)
    if nameless:
        count = int(np.isin(id_map, list(nameless)).sum())
        add("note", "the map has ids that no segment has, taken as void", f"{len(nameless)} ids, {count} pixels", None)
    values = {
        "id": np.array(order, np.int64),
        "category": np.array([found[identity][0] for identity in order], np.int32),
        "is_crowd": np.array([found[identity][1] for identity in order], bool),
        "area": areas.astype(np.int64),
        "box": boxes.reshape(-1, 4),
    }
    return segment_map, values


def thing_objects(segment_map, segments, thing_class, first_id):
    """Instances of an image as its map shows them, each the segment's pixels: they never overlap.

    Args:
        segment_map: uint16 (h, w).
        segments: dict of arrays, as from `clean_segments`.
        thing_class: int (P + 1,), class 1..K of each category, 0 for stuff.
        first_id: int, id of the first instance; the next ones follow. Segments' own ids tell only those of one image
            apart.

    Returns:
        Dict of arrays, as `CocoAnnotations.objects`, and `segment` int32 (n,), the number in the map.
    """
    classes = thing_class[segments["category"]]
    things = np.flatnonzero(classes)
    boxes = segments["box"][things]
    grids, runs = segment_instances(segment_map, things + 1, boxes)
    top, left, bottom, right = boxes.T.astype(np.float64)
    return {
        "id": first_id + np.arange(len(things), dtype=np.int64),
        "box": boxes.astype(np.float32),
        "class": classes[things].astype(np.int32),
        "is_crowd": segments["is_crowd"][things],
        "area": segments["area"][things].astype(np.float32),
        "mask": grids,
        "segmentation": runs,
        "exact_box": np.stack([left, top, right - left, bottom - top], axis=-1),
        "exact_area": segments["area"][things].astype(np.float64),
        "segment": (things + 1).astype(np.int32),
    }


def assign_segments(objects, segment_map, segments, thing_class, add):
    """Finds which segment shows each instance of another file, whose masks may overlap.

    Of all pairs of one class, both crowds or neither, of which more than half of the segment lies in the instance,
    those of the greatest intersection over union are taken first, each instance and each segment once.

    Args:
        objects: dict of arrays, as from `CocoAnnotations.objects`.
        segment_map, segments, thing_class: as in `thing_objects`.
        add: function of (action, rule, detail, annotation id).

    Returns:
        `objects` with `segment` int32 (n,), 0 for an instance that does not show.
    """
    classes = thing_class[segments["category"]]
    things = np.flatnonzero(classes)
    assigned = np.zeros(len(objects["id"]), np.int32)
    if len(things) and len(assigned):
        size = list(segment_map.shape)
        _, runs = segment_instances(segment_map, things + 1, segments["box"][things])
        shown = [{"size": size, "counts": counts.encode()} for counts in runs]
        masks = [{"size": size, "counts": counts.encode()} for counts in objects["segmentation"]]
        union = np.asarray(mask_utils.iou(shown, masks, [0] * len(masks)))
        inside = np.asarray(mask_utils.iou(shown, masks, [1] * len(masks)))  # over the segment's area
        possible = (inside > _INSIDE) & (classes[things][:, None] == objects["class"])
        possible &= segments["is_crowd"][things][:, None] == objects["is_crowd"]
        taken = np.zeros(len(things), bool)
        rows, columns = np.nonzero(possible)
        for pair in np.argsort(-union[rows, columns], kind="stable"):
            row, column = rows[pair], columns[pair]
            if not taken[row] and not assigned[column]:
                taken[row], assigned[column] = True, things[row] + 1
    left = sorted(set((things + 1).tolist()) - set(assigned.tolist()))
    if left:
        ids = segments["id"][np.array(left) - 1].tolist()
        add("note", "segments of things that no instance of the other file shows", f"{len(left)}: {ids[:5]}", None)
    return {**objects, "segment": assigned}


def panoptic_features_of(segment_map, segments, objects):
    """The part of an example that `PanopticImages` adds to an image."""
    objects = {**objects, "segmentation": list(objects["segmentation"])}
    return {"panoptic": encode_map(segment_map), "segments": segments, "objects": objects}
