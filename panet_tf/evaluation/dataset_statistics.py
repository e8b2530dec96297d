"""What is in a data set: COCO's own statistics, for any annotations in its format."""

import collections

import numpy as np
from absl import logging

from panet_tf.evaluation.coco_ground_truth import coco_ground_truth
from panet_tf.evaluation.proposal_matching import AREA_RANGES

# Sides of objects in shares of their images', evenly spaced in their logarithm, as Figure 2.5(e) has them.
SIZE_EDGES = tuple(10 ** (-2 + i / 5) for i in range(11))


def dataset_statistics(source, *, size_edges=SIZE_EDGES):
    """Counts instances, categories and sizes (Lin's thesis, section 2.5, Figure 2.5).

    Crowds are regions of many instances: they are counted by themselves, and are no instances.

    Args:
        source: COCO dict, or the path of a JSON file. Boxes alone are enough.
        size_edges: increasing floats, borders between the classes of sizes. Defaults to ten from 0.01 to 1.

    Returns:
        dict of plain Python values:
        `"images"`, `"empty_images"` (without an instance), `"instances"`, `"crowds"`, `"categories"`: int;
        `"categories_per_image"`, `"instances_per_image"`, `"instances_per_category"`: float, means over all images and
        categories; `"one_category"`: float, share of the images with a single category;
        `"instances_of_category"`, `"images_of_category"`: dict from names to int, in the file's order;
        `"images_by_categories"`, `"images_by_instances"`: list of int, how many images have 0, 1, 2 ...;
        `"size_edges"`, and `"instances_by_size"`: list of int, instances by the root of their area over their image's,
        those beyond the ends in the first and the last class (images without a size are left out);
        `"small"`, `"medium"`, `"large"`: float, shares of instances by COCO's ranges of areas.

    Raises:
        ValueError: not a COCO instance file.

    Example:
        >>> dataset_statistics("instances_val2017.json")["instances_per_image"]
        7.3
    """
    truth, skipped = coco_ground_truth(source, with_masks=False, with_keypoints=False)
    names = _names(truth["categories"])
    images = {image["id"]: image for image in truth["images"]}
    instances = [annotation for annotation in truth["annotations"] if not annotation["iscrowd"]]
    of_category = collections.Counter(annotation["category_id"] for annotation in instances)
    pairs = {(annotation["image_id"], annotation["category_id"]) for annotation in instances}
    of_image = collections.Counter(annotation["image_id"] for annotation in instances)
    categories_of_image = collections.Counter(image for image, _ in pairs)
    images_of_category = collections.Counter(category for _, category in pairs)
    areas = np.array([annotation["area"] for annotation in instances], "float64")
    sizes = [
        (annotation["area"] / (image["height"] * image["width"])) ** 0.5
        for annotation in instances
        if (image := images[annotation["image_id"]]).get("height") and image.get("width") and annotation["area"] >= 0
    ]
    by_categories = _histogram(categories_of_image[image] for image in images)
    edges = np.asarray(size_edges, "float64")
    places = np.clip(np.searchsorted(edges, sizes, side="right") - 1, 0, len(edges) - 2)
    if skipped:
        logging.warning("%d annotations could not be counted.", skipped)
    ranges = list(AREA_RANGES.values())[1:]
    shares = [float(np.mean((areas >= low) & (areas < high))) if len(areas) else 0.0 for low, high in ranges]
    return {
        "images": len(images),
        "empty_images": len(images) - len(of_image),
        "instances": len(instances),
        "crowds": len(truth["annotations"]) - len(instances),
        "categories": len(names),
        "categories_per_image": _ratio(len(pairs), len(images)),
        "instances_per_image": _ratio(len(instances), len(images)),
        "instances_per_category": _ratio(len(instances), len(names)),
        "one_category": _ratio(by_categories[1] if len(by_categories) > 1 else 0, len(images)),
        "instances_of_category": {name: of_category[number] for number, name in names.items()},
        "images_of_category": {name: images_of_category[number] for number, name in names.items()},
        "images_by_categories": by_categories,
        "images_by_instances": _histogram(of_image[image] for image in images),
        "size_edges": edges.tolist(),
        "instances_by_size": np.bincount(places, minlength=len(edges) - 1).tolist(),
        **dict(zip(("small", "medium", "large"), shares)),
    }


def statistics_table(statistics):
    """The statistics of one or several data sets as lines to print.

    Args:
        statistics: dict from names of data sets to what `dataset_statistics` gives.

    Returns:
        str: a Markdown table of the totals, and one of instances by category.

    Example:
        >>> print(statistics_table({"val2017": dataset_statistics("instances_val2017.json")}))
    """
    rows = {
        "images": "{images:,}",
        "without instances": "{empty_images:,}",
        "instances": "{instances:,}",
        "crowds": "{crowds:,}",
        "categories": "{categories:,}",
        "instances per category": "{instances_per_category:.1f}",
        "categories per image": "{categories_per_image:.2f}",
        "instances per image": "{instances_per_image:.2f}",
        "images of one category": "{one_category:.1%}",
        "small, medium, large": "{small:.1%}, {medium:.1%}, {large:.1%}",
    }
    head = ["", *statistics]
    lines = [head, ["---"] * len(head)]
    lines += [[row, *(text.format(**values) for values in statistics.values())] for row, text in rows.items()]
    names = dict.fromkeys(name for values in statistics.values() for name in values["instances_of_category"])
    counts = {name: [values["instances_of_category"].get(name, 0) for values in statistics.values()] for name in names}
    second = [["category", *statistics], ["---"] * len(head)]
    second += [[name, *(f"{n:,}" for n in counts[name])] for name in sorted(names, key=lambda n: -max(counts[n]))]
    return "\n\n".join("\n".join("| " + " | ".join(line) + " |" for line in part) for part in (lines, second))


def _names(categories):
    """Names by id; a name that comes twice gets its id behind it."""
    given = {category["id"]: str(category.get("name", category["id"])) for category in categories}
    counts = collections.Counter(given.values())
    return {number: name if counts[name] == 1 else f"{name} ({number})" for number, name in given.items()}


def _histogram(numbers):
    counts = np.bincount(np.fromiter(numbers, "int64"), minlength=1)
    return counts.tolist()


def _ratio(part, whole):
    return part / whole if whole else 0.0
