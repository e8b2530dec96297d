"""Making a source of files on disk, and saying what it holds and what was wrong with it."""

import collections

from panet_tf.data.cityscapes_files import CityscapesFiles
from panet_tf.data.coco_panoptic_files import CocoPanopticFiles
from panet_tf.data.coco_source import CocoSource
from panet_tf.data.panoptic_source import PanopticSource
from panet_tf.data.vistas_files import VistasFiles

_TOGETHER = (
    {"annotations", "images"},
    {"annotations", "images", "panoptic"},
    {"annotations", "images", "panoptic", "instances"},
    {"cityscapes", "split"},
    {"vistas", "split"},
)


def source_from_files(
    *,
    annotations=None,
    images=None,
    panoptic=None,
    instances=None,
    cityscapes=None,
    vistas=None,
    split=None,
    version="1.2",
    **settings,
):
    """The source that fits the files that are given.

    Args:
        annotations, images: paths of a COCO JSON and the folder of its images.
        panoptic: folder of PNGs, where `annotations` is a panoptic JSON.
        instances: with `panoptic`, path of a COCO JSON of instances.
        cityscapes, vistas: folder of one of these data sets, in place of `annotations` and `images`.
        split, version: its split, and the version of Vistas.
        **settings: further arguments of `CocoSource` and `PanopticSource`.

    Returns:
        `CocoSource` or `PanopticSource`.

    Raises:
        ValueError: when something is missing, or belongs to another kind of files.
    """
    given = {
        name
        for name, value in {
            "annotations": annotations,
            "images": images,
            "panoptic": panoptic,
            "instances": instances,
            "cityscapes": cityscapes,
            "vistas": vistas,
            "split": split,
        }.items()
        if value is not None
    }
    if given not in _TOGETHER:
        kinds = "; ".join(" + ".join(sorted(kind)) for kind in _TOGETHER)
        raise ValueError(f"files must be given in one of the ways {kinds}; received {' + '.join(sorted(given))}.")
    if cityscapes is not None:
        files = CityscapesFiles(root=cityscapes, split=split)
    elif vistas is not None:
        files = VistasFiles(root=vistas, split=split, version=version)
    elif panoptic is not None:
        files = CocoPanopticFiles(annotations=annotations, panoptic=panoptic, images=images, instances=instances)
    else:
        return CocoSource(annotations=annotations, images=images, **settings)
    return PanopticSource(files=files, **settings)


def describe_source(source, max_listed=10):
    """Counts of images, annotations and classes, every problem's rule and the first places of each.

    Args:
        source: `CocoSource` or `PanopticSource`.
        max_listed: int, problems to list for each rule. Defaults to 10.

    Returns:
        str of several lines.
    """
    truth = source.coco_ground_truth()
    counts = collections.Counter(a["category_id"] for a in truth["annotations"])
    crowds = sum(a["iscrowd"] for a in truth["annotations"])
    lines = [f"{source.num_examples} images, {len(truth['annotations'])} annotations ({crowds} crowds)"]
    for number, category in enumerate(source.categories, start=1):
        lines.append(f"  class {number}: {category['name']} (id {category['id']}): {counts[category['id']]}")
    if hasattr(source, "panoptic_categories"):
        lines += _stuff(source)
    lines.append(source.report.summary(max_listed) or "No problems.")
    return "\n".join(lines)


def _stuff(source):
    counts = source.segment_counts()
    return [
        f"  stuff: {category['name']} (id {category['id']}): {counts[place]}"
        for place, category in enumerate(source.panoptic_categories, start=1)
        if not category["isthing"]
    ]
