"""The best that a network's masks could do: recall of all its windows, whatever their scores."""

import gin
import numpy as np
import tensorflow as tf
from pycocotools import mask as coco_mask

from panet_tf.evaluation.proposal_matching import AREA_RANGES, THRESHOLDS
from panet_tf.evaluation.rle import masks_to_rle
from panet_tf.inference.preprocessing_check import warn_of_other_preprocessing
from panet_tf.models.detector_inputs import complete_inputs


@gin.register(module="panet_tf")
def dense_mask_recall(model, data, *, max_images=None, chunk=256, progress=None):
    """Upper bound on average recall: each object takes the best of all masks (Lin's thesis, section 3.5.1, Table 3.1).

    About 5,000 windows of a 640 x 480 image are decoded, pasted and compared with every object, so that mask quality is
    measured apart from scores. Objects do not compete for masks, of which there are plenty.

    Args:
        model: `DeepMask` or `SharpMask` (which then refines every window).
        data: `DetectionData` made for evaluation, with `source.coco_ground_truth()`. Sizes and normalisation that are
            not those of the model's training are warned of.
        max_images: int or `None`, how many images to look at. Defaults to all.
        chunk: int, windows that are decoded at once. Defaults to 256.
        progress: function of the number of images done, called after each; or `None`.

    Returns:
        dict of `"dense/AR"`, `"dense/ARs"`, `"dense/ARm"`, `"dense/ARl"`, floats between 0 and 1, or -1 without any
        object of that size; and `"dense/masks"`, how many masks an image has on average.

    Example:
        >>> dense_mask_recall(model, eval_data, max_images=100)["dense/AR"]
        0.37
    """
    warn_of_other_preprocessing(model, data)
    truth = data.source.coco_ground_truth()
    sizes = {image["id"]: (image["height"], image["width"]) for image in truth["images"]}
    objects = {image_id: [] for image_id in sizes}
    for annotation in truth["annotations"]:
        if not annotation.get("iscrowd"):
            objects[annotation["image_id"]].append(annotation)
    windows_of = tf.function(lambda inputs: model.windows(complete_inputs(inputs)))
    masks_of = tf.function(lambda windows, indices, inputs: model.masks_of(windows, indices, complete_inputs(inputs)))
    best, areas, counts, seen = [], [], [], 0
    for batch in data.dataset():
        batch = {key: value for key, value in batch.items() if key in _INPUTS}
        windows = windows_of(batch)
        keep = np.isfinite(windows["scores"].numpy())
        overlaps = [np.zeros(len(objects.get(image_id, ()))) for image_id in batch["image_ids"].numpy().tolist()]
        places = np.arange(-(-keep.shape[1] // chunk) * chunk) % keep.shape[1]  # the last chunk begins anew
        for indices in places.reshape(-1, chunk):
            if not keep[:, indices].any():
                continue
            indices = np.tile(indices.astype("int32"), (len(keep), 1))
            found = {key: value.numpy() for key, value in masks_of(windows, indices, batch).items()}
            for i, image_id in enumerate(batch["image_ids"].numpy().tolist()):
                chosen = keep[i, indices[i]] & found["found"][i]
                if image_id < 0 or not len(overlaps[i]) or not chosen.any():
                    continue
                codes = masks_to_rle(found["masks"][i][chosen], found["boxes"][i][chosen], sizes[image_id])
                truths = [annotation["segmentation"] for annotation in objects[image_id]]
                overlap = np.asarray(coco_mask.iou(codes, truths, [0] * len(truths)))
                overlaps[i] = np.maximum(overlaps[i], overlap.max(axis=0))
        for i, image_id in enumerate(batch["image_ids"].numpy().tolist()):
            if image_id >= 0:
                best.append(overlaps[i])
                areas += [annotation["area"] for annotation in objects[image_id]]
                counts.append(keep[i].sum())
                seen += 1
        if progress is not None:
            progress(seen)
        if max_images is not None and seen >= max_images:
            break
    recall = (np.concatenate([*best, []])[:, None] >= THRESHOLDS).mean(axis=1)
    areas = np.array(areas)
    numbers = {}
    for name, (low, high) in AREA_RANGES.items():
        counted = (low <= areas) & (areas <= high)
        key = "dense/AR" + (name[0] if name != "all" else "")
        numbers[key] = float(recall[counted].mean()) if counted.any() else -1.0
    return numbers | {"dense/masks": float(np.mean(counts)) if counts else 0.0}


_INPUTS = ("images", "image_sizes", "original_sizes", "scales", "offsets", "image_ids")
