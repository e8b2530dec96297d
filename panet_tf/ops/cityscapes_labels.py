"""Cityscapes' labels and how its maps number them: facts for the reader, the metric and the files of results."""

import numpy as np

# A pixel of a map of instances is its label's id, or 1000 * id + number for an instance.
PER_LABEL = 1000
# Every label has an id of these; -1 is the licence plate, which no map shows.
LABEL_IDS = range(-1, 34)
# Labels that the benchmark ignores: ego vehicle, rectification border, parking, caravan, trailer, ...
VOID_IDS = (-1, 0, 1, 2, 3, 4, 5, 6, 9, 10, 14, 15, 16, 18, 29, 30)

# The labels that count in the benchmark: id, name, group, whether it has instances, colour. Their order is that of the
# train ids 0..18.
_LABELS = (
    (7, "road", "flat", 0, (128, 64, 128)),
    (8, "sidewalk", "flat", 0, (244, 35, 232)),
    (11, "building", "construction", 0, (70, 70, 70)),
    (12, "wall", "construction", 0, (102, 102, 156)),
    (13, "fence", "construction", 0, (190, 153, 153)),
    (17, "pole", "object", 0, (153, 153, 153)),
    (19, "traffic light", "object", 0, (250, 170, 30)),
    (20, "traffic sign", "object", 0, (220, 220, 0)),
    (21, "vegetation", "nature", 0, (107, 142, 35)),
    (22, "terrain", "nature", 0, (152, 251, 152)),
    (23, "sky", "sky", 0, (70, 130, 180)),
    (24, "person", "human", 1, (220, 20, 60)),
    (25, "rider", "human", 1, (255, 0, 0)),
    (26, "car", "vehicle", 1, (0, 0, 142)),
    (27, "truck", "vehicle", 1, (0, 0, 70)),
    (28, "bus", "vehicle", 1, (0, 60, 100)),
    (31, "train", "vehicle", 1, (0, 80, 100)),
    (32, "motorcycle", "vehicle", 1, (0, 0, 230)),
    (33, "bicycle", "vehicle", 1, (119, 11, 32)),
)
CATEGORIES = tuple(
    {"id": identity, "name": name, "supercategory": group, "isthing": thing, "color": list(color), "train_id": train_id}
    for train_id, (identity, name, group, thing, color) in enumerate(_LABELS)
)
# The labels whose instances are evaluated, and their names by id.
THINGS = tuple(category for category in CATEGORIES if category["isthing"])
INSTANCE_NAMES = {category["id"]: category["name"] for category in THINGS}


def instance_label_ids(categories):
    """The label ids of a model's classes 1, 2, ...

    Args:
        categories: sequence of dicts with `id`, the label's, and `name`.

    Returns:
        int64 (K,), -1 for a class that is no label with instances: its detections never count.

    Raises:
        ValueError: no category is such a label, or one has its id and another name.

    Example:
        >>> instance_label_ids([{"id": 26, "name": "car"}, {"id": 7, "name": "road"}])
        array([26, -1])
    """
    ids = [category.get("id") for category in categories]
    for category in categories:
        name = INSTANCE_NAMES.get(category.get("id"))
        if name is not None and category.get("name", name) != name:
            raise ValueError(f"categories must be Cityscapes' labels; {category['id']} is {name}, received {category}.")
    if not set(ids) & set(INSTANCE_NAMES):
        raise ValueError(f"categories must hold labels with instances, {INSTANCE_NAMES}; received the ids {ids}.")
    return np.array([identity if identity in INSTANCE_NAMES else -1 for identity in ids], "int64")
