"""Small trees of files for the gin files of data that read a data set's own."""

import numpy as np

from tests import tiny_coco, tiny_panoptic

PROPOSALS = ("TRAIN_PROPOSALS", "EVAL_PROPOSALS")
PATHS = ("TRAIN_ANNOTATIONS", "TRAIN_IMAGES", "EVAL_ANNOTATIONS", "EVAL_IMAGES")


def tiny_paths(file, folder):
    """Bindings of a file of panoptic or keypoint data, or of proposals, to a tiny tree that is like what it reads."""
    if file == "data/cityscapes.gin":
        for split in ("train", "val"):
            tiny_panoptic.write_cityscapes(folder, split, [np.full((32, 64), 26001)])
    elif file == "data/vistas.gin":
        for split in ("training", "validation"):
            tiny_panoptic.write_vistas(folder, split, [np.full((32, 32), 2 * 256 + 1)])
    elif file in ("data/coco_panoptic.gin", "data/own_coco_panoptic.gin"):
        paths = tiny_panoptic.write_coco(folder, [tiny_panoptic.ground()], [list(tiny_panoptic.GROUND)])
        names = [f"{part}_{name}" for part in ("TRAIN", "EVAL") for name in ("ANNOTATIONS", "PANOPTIC", "IMAGES")]
        instances = ["TRAIN_INSTANCES = None", "EVAL_INSTANCES = None"]
        return [f'{name} = "{path}"' for name, path in zip(names, [*paths, *paths])] + instances
    elif file == "data/coco_keypoints.gin":
        category = {**tiny_coco.CATEGORIES[0], "keypoints": ["nose", "left_ear", "right_ear"]}
        annotations = [tiny_coco.annotation(1, keypoints=[5, 7, 2] + [0] * 6, num_keypoints=1)]
        paths = tiny_coco.write(folder, annotations=annotations, categories=[category])
        return [f'{name} = "{path}"' for name, path in zip(PATHS, [*paths, *paths])]
    elif file == "data/coco_proposals.gin":
        proposals = folder / "proposals.json"
        proposals.write_text('[{"image_id": 1, "bbox": [4, 6, 10, 10], "score": 0.5}]')
        paths = dict(zip(PATHS, [*tiny_coco.write(folder)] * 2)) | dict.fromkeys(PROPOSALS, proposals)
        return [f'{name} = "{path}"' for name, path in paths.items()]
    else:
        return []
    return [f'DATA_ROOT = "{folder}"']
