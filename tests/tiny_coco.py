"""COCO JSON files of a few images, for tests that then break them."""

import json
import pathlib

import numpy as np
from PIL import Image

CATEGORIES = [{"id": 3, "name": "cat", "supercategory": "animal"}, {"id": 90, "name": "toothbrush"}]


def image_entry(identity, width=40, height=30, name=None, **more):
    return {"id": identity, "file_name": name or f"{identity}.png", "width": width, "height": height, **more}


def annotation(identity, image_id=1, *, leave_out=(), **changes):
    """A square of 10 x 10 pixels at x = 4, y = 6, changed as told."""
    whole = {
        "id": identity,
        "image_id": image_id,
        "category_id": 3,
        "segmentation": [[4, 6, 14, 6, 14, 16, 4, 16]],
        "bbox": [4, 6, 10, 10],
        "area": 100.0,
        "iscrowd": 0,
        **changes,
    }
    return {key: value for key, value in whole.items() if key not in leave_out}


def write(folder, images=None, annotations=None, categories=CATEGORIES, draw=True):
    """Writes `all.json` and `images/` into a folder; returns both paths. Images are noise, the same for the same id."""
    folder = pathlib.Path(folder)
    (folder / "images").mkdir(exist_ok=True)
    images = [image_entry(1)] if images is None else images
    annotations = [annotation(1)] if annotations is None else annotations
    for entry in images if draw else ():
        draw_image(entry).save(folder / "images" / entry["file_name"])
    (folder / "all.json").write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": categories})
    )
    return folder / "all.json", folder / "images"


def draw_image(entry):
    noise = np.random.default_rng(entry["id"]).integers(0, 256, (entry["height"], entry["width"], 3), np.uint8)
    return Image.fromarray(noise)
