"""Panoptic data sets of a few small images, as each is downloaded, for tests that then break them."""

import json
import pathlib

import numpy as np
from PIL import Image

from panet_tf.ops.panoptic_ids import ids_to_rgb
from tests.tiny_coco import draw_image, image_entry

# Ids with gaps, things and stuff mixed.
CATEGORIES = [
    {"id": 92, "name": "grass", "isthing": 0, "color": [0, 255, 0]},
    {"id": 1, "name": "person", "isthing": 1, "supercategory": "person"},
    {"id": 200, "name": "sky", "isthing": 0},
    {"id": 27, "name": "tie", "isthing": 1},
]


def segment(identity, category_id, **more):
    return {"id": identity, "category_id": category_id, "iscrowd": 0, **more}


def ground(height=30, width=40):
    """A map of sky above grass, with a strip of void: segments 70000 (sky) and 300 (grass)."""
    ids = np.zeros((height, width), np.int64)
    ids[: height // 2], ids[height // 2 + 2 :] = 70000, 300
    return ids


GROUND = (segment(70000, 200), segment(300, 92))


def write_coco(folder, maps, segments, categories=CATEGORIES, images=None):
    """Writes `panoptic.json`, `panoptic/` and `images/`; returns the three paths.

    Args:
        folder: path.
        maps: list of int (h, w), ids of each image 1, 2, ...
        segments: list of lists of dicts.
        categories: list of dicts.
        images: None or list of entries.
    """
    folder = pathlib.Path(folder)
    for name in ("panoptic", "images"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    if images is None:
        images = [image_entry(i, height=m.shape[0], width=m.shape[1]) for i, m in enumerate(maps, start=1)]
    annotations = []
    for entry, ids, infos in zip(images, maps, segments):
        draw_image(entry).save(folder / "images" / entry["file_name"])
        name = pathlib.Path(entry["file_name"]).stem + ".png"
        Image.fromarray(ids_to_rgb(np.asarray(ids))).save(folder / "panoptic" / name)
        annotations.append({"image_id": entry["id"], "file_name": name, "segments_info": infos})
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "panoptic.json").write_text(json.dumps(content))
    return folder / "panoptic.json", folder / "panoptic", folder / "images"


def random_map(seed, height=30, width=40, count=6):
    """A map of `count` rectangles, some hidden, on the ground, and its segments; the last thing is a crowd."""
    rng = np.random.default_rng(seed)
    ids, found = ground(height, width), {300: segment(300, 92), 70000: segment(70000, 200)}
    for number in range(count):
        identity = int(rng.integers(1, 2**24))
        top, left = rng.integers(0, height - 3), rng.integers(0, width - 3)
        ids[top : top + rng.integers(2, height // 2), left : left + rng.integers(2, width // 2)] = identity
        found[identity] = segment(identity, (1, 27)[rng.integers(2)], iscrowd=int(number == count - 1))
    return ids, [found[identity] for identity in np.unique(ids).tolist() if identity]


def write_cityscapes(folder, split, maps, kind="instanceIds"):
    """Writes leftImg8bit and gtFine with images of one city, values as they stand in the maps."""
    for number, values in enumerate(maps):
        stem = f"bonn/bonn_{number:06d}_000019"
        for root, ending in (("leftImg8bit", "leftImg8bit"), ("gtFine", f"gtFine_{kind}")):
            path = pathlib.Path(folder, root, split, f"{stem}_{ending}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            height, width = np.shape(values)
            if root == "leftImg8bit":
                draw_image(image_entry(number, height=height, width=width)).save(path)
            else:
                Image.fromarray(np.asarray(values, np.uint16)).save(path)


VISTAS_LABELS = [
    {"name": "animal--bird", "readable": "Bird", "instances": True, "evaluate": True, "color": [165, 42, 42]},
    {"name": "nature--sky", "readable": "Sky", "instances": False, "evaluate": True, "color": [70, 130, 180]},
    {"name": "object--car", "readable": "Car", "instances": True, "evaluate": True, "color": [0, 0, 142]},
    {"name": "void--unlabeled", "readable": "Unlabeled", "instances": False, "evaluate": False, "color": [0, 0, 0]},
]


def write_vistas(folder, split, maps, version="1.2", old=True):
    """Writes images, 16-bit instance maps and the labels, in the older layout of 1.2 or the newer one."""
    folder = pathlib.Path(folder)
    truth = folder / split / "instances" if old else folder / split / f"v{version}" / "instances"
    for path in (truth, folder / split / "images"):
        path.mkdir(parents=True, exist_ok=True)
    (folder / ("config.json" if old else f"config_v{version}.json")).write_text(json.dumps({"labels": VISTAS_LABELS}))
    for number, values in enumerate(maps):
        height, width = np.shape(values)
        draw_image(image_entry(number, height=height, width=width)).save(folder / split / "images" / f"a{number}.jpg")
        Image.fromarray(np.asarray(values, np.uint16)).save(truth / f"a{number}.png")
