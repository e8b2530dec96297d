"""Data distillation: what a model finds in images without labels becomes labels to train on."""

import json
import os
import pathlib

import gin
import numpy as np

from panet_tf.data.coco_lists import load_lists
from panet_tf.inference.detections_json import DetectionsJson
from panet_tf.inference.find_images import find_images


@gin.register(module="panet_tf")
def distill(predictor, images, path, *, annotations=None, annotated_images=None, score_threshold=None):
    """Labels images by a model and writes them, with those that have labels, as one COCO JSON to train on.

    The idea (Radosavovic et al., section 3): predictions that agree over sizes and mirrors are better than a single
    look, so that a model can learn from them; `predictor` brings `TestTimeAugmentation` for it. Then a model is trained
    anew on both, which `CocoSource` reads as one data set. Batches mix both at random; the publication fixes the share.

    Annotations found by the model have a `score` in the file, and those of the given file stay as they are. Images that
    the given file lists are not labelled again. Images in which nothing scores enough are left out, as they would
    teach that nothing is there.

    Args:
        predictor: `Predictor` with `masks="rle"`. Set its `score_threshold` for many images: what it returns is held in
            memory until the threshold is known.
        images: a path or a list of paths, files and folders.
        path: of the JSON that is written.
        annotations: path of a COCO JSON of labelled images, or `None` (default): the found labels alone are written.
        annotated_images: folder of the labelled images. Needed with `annotations`.
        score_threshold: float, lower scores are left out. Defaults to `None`, the publication's: as many instances an
            image, on average over all images that were looked at, as the labelled ones have.

    Returns:
        dict: `folder`, which the file names are relative to; `score_threshold`; `labelled_images`,
        `labelled_instances`, `found_images`, `found_instances` of the file; and `images_left_out`.

    Raises:
        ValueError: no threshold without annotations, annotations without their folder, categories that are not the
            model's, or no images but labelled ones.

    Example:
        >>> predictor = Predictor(model, masks="rle", augmentation=TestTimeAugmentation())
        >>> distill(predictor, "unlabeled2017", "both.json", annotations="instances_train2017.json",
        ...         annotated_images="train2017")["folder"]
        'coco'

    Source: Radosavovic et al., Data Distillation: Towards Omni-Supervised Learning, 2017, sections 3 and 5.
    """
    if annotations is None and score_threshold is None:
        raise ValueError("score_threshold=None takes as many instances as labelled images have: give annotations.")
    if (annotations is None) != (annotated_images is None):
        raise ValueError(f"annotations need annotated_images, received {annotations} and {annotated_images}.")
    labelled = {"images": [], "annotations": [], "categories": [dict(one) for one in predictor.categories]}
    files = [pathlib.Path(os.path.abspath(file)) for file in find_images(images)]
    folders = [file.parent for file in files]
    if annotations is not None:
        labelled = load_lists(pathlib.Path(annotations))
        _check_categories(predictor.categories, labelled["categories"])
        folders.append(pathlib.Path(os.path.abspath(annotated_images)))
        known = {os.path.normpath(folders[-1] / image["file_name"]) for image in labelled["images"]}
        files = [file for file in files if str(file) not in known]
        if not files:
            raise ValueError("images without labels are needed, received labelled ones only.")
    root = os.path.commonpath(folders)
    found = DetectionsJson(predictor.categories)
    for result in predictor.stream(files):
        found.add(result)
    found = found.dataset()
    usable = [one for one in found["annotations"] if one["area"] > 0]
    if score_threshold is None:
        crowds = sum(bool(one.get("iscrowd")) for one in labelled["annotations"])
        rate = (len(labelled["annotations"]) - crowds) / max(1, len(labelled["images"]))
        score_threshold = _threshold([one["score"] for one in usable], round(rate * len(found["images"])))
    usable = [one for one in usable if one["score"] >= score_threshold]
    shown = {one["image_id"] for one in usable}
    kept = [image for image in found["images"] if image["id"] in shown]
    whole = _joined(labelled, annotated_images, kept, usable, root)
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(whole), encoding="utf-8")
    os.replace(partial, path)
    return {
        "folder": root,
        "score_threshold": float(score_threshold),
        "labelled_images": len(labelled["images"]),
        "labelled_instances": len(labelled["annotations"]),
        "found_images": len(kept),
        "found_instances": len(usable),
        "images_left_out": len(found["images"]) - len(kept),
    }


def _check_categories(of_model, of_file):
    """A wrong category would be learned without a word."""
    names = {category["id"]: category.get("name") for category in of_file}
    for category in of_model:
        if category["id"] not in names or names[category["id"]] != category.get("name"):
            raise ValueError(
                f"the annotations must list the model's categories, received {names.get(category['id'])!r} as "
                f"{category['id']} in place of {category.get('name')!r}."
            )


def _threshold(scores, count):
    """The score that `count` instances reach; ties are all kept."""
    if count < 1 or not scores:
        return float("inf") if count < 1 else 0.0
    return float(np.sort(scores)[::-1][min(count, len(scores)) - 1])


def _joined(labelled, folder, images, annotations, root):
    """One data set: file names relative to one folder, and new ids behind those that are there."""
    first_image = max((int(image["id"]) for image in labelled["images"]), default=0)
    first = max((int(one["id"]) for one in labelled["annotations"] if "id" in one), default=0)
    own = [
        {**image, "file_name": os.path.relpath(os.path.join(os.path.abspath(folder), image["file_name"]), root)}
        for image in labelled["images"]
    ]
    new = [
        {**image, "id": first_image + image["id"], "file_name": os.path.relpath(image["file_name"], root)}
        for image in images
    ]
    found = [
        {**one, "id": first + number, "image_id": first_image + one["image_id"]}
        for number, one in enumerate(annotations, start=1)
    ]
    return {**labelled, "images": own + new, "annotations": labelled["annotations"] + found}
