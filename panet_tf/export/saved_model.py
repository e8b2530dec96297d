"""SavedModels for TF Serving: image bytes in, boxes in original pixels out, no Python inside."""

import functools
import json
import os
import pathlib

import gin
import keras
import tensorflow as tf

from panet_tf.export.panoptic_maps import panoptic_pictures
from panet_tf.export.warmup_requests import canvas_requests, write_warmup_requests
from panet_tf.ops.masks import paste_masks
from panet_tf.ops.proposal_slots import proposal_slots

MASK_THRESHOLD = 0.5


@gin.register(module="panet_tf")
def export_saved_model(model, directory, *, preprocessing=None, version=None, warmup=True, max_proposals=1000):
    """Writes a model as the next version of a SavedModel, preprocessing and category ids included.

    Signatures share the weights; each takes a batch of any length, none included, whose images may differ in size. Each
    image goes through the network on its own canvas, so that its answer does not depend on the others of the request,
    nor on the other clients' that a server's batching puts beside it; images of one canvas go through together:

    | signature | input | output |
    |---|---|---|
    | `serving_default` | `image_bytes` string (B,): JPEG, PNG, GIF or BMP | the detections below |
    | `tensors` | `images` uint8 (B, h, w, 3) RGB, one size a batch | the same |
    | `full_masks` | `image_bytes` string (B,) | the same, with masks of whole images |
    | `panoptic` | `image_bytes` string (B,) | PNG bytes and segments, of panoptic models |

    A model that takes its regions from outside (Fast R-CNN) has in each signature a second input, `proposals` float32
    (B, P, 4), yxyx in original pixels, best first, with zeros where an image has fewer than P; P may differ from call
    to call.

    Detections: `detection_boxes` float32 (B, D, 4), yxyx in original pixels; `detection_scores` float32 (B, D), sorted;
    `detection_classes` int64 (B, D), the data set's own ids, 0 in empty slots; `num_detections` int32 (B,);
    `image_sizes` int32 (B, 2); for models with masks `detection_masks` float32 (B, D, 28, 28), probabilities inside
    each box, or in `full_masks` uint8 (B, D, h, w), 0 or 1, (h, w) the size of the batch's largest image; and for
    models with keypoints `detection_keypoints` float32 (B, D, J, 3), y, x in original pixels and score, as the graph
    reads them (see `panet_tf.ops.keypoints`). Names, ids and skeletons of the categories lie beside the graph in
    `assets.extra/categories.json`.

    Panoptic results: `panoptic_png` string (B,), files of the images' own sizes whose colours are segment ids as COCO
    has them (R + 256 G + 65536 B, 0 is void), and `segment_ids`, `segment_categories` (the data set's ids),
    `segment_scores`, `segment_areas` (B, S), see `panet_tf.export.panoptic_maps`; all panoptic categories lie in
    `assets.extra/panoptic_categories.json`.

    TensorFlow's decoders leave images as they are stored: who sends photographs with an EXIF orientation turns them
    first. One file that is no image fails its whole batch.

    Args:
        model: a built detector.
        directory: folder of the served model; versions are its numbered subfolders.
        preprocessing: `panet_tf.data.Preprocessing`. Defaults to the one that the model was trained with.
        version: int. Defaults to one more than the newest.
        warmup: bool, whether TF Serving is to run each signature once on each canvas while it loads the model, so that
            no client waits for it: requests in `assets.extra/tf_serving_warmup_requests`. Defaults to True.
        max_proposals: int, of models that take proposals: the first of each image that are classified. The graph has
            room for as many, whatever clients send. Defaults to 1000.

    Returns:
        `pathlib.Path` of the version's folder.

    Raises:
        ValueError: if the version exists, the model carries no preprocessing and none is given, or `max_proposals` is
            below 1.

    Example:
        >>> export_saved_model(model, "served/panet")
    """
    preprocessing = preprocessing or model.preprocessing
    if preprocessing is None:
        raise ValueError(
            "an export holds its preprocessing: give preprocessing=panet_tf.data.Preprocessing(...), received None for "
            "a model that carries none (training with panet_tf.train leaves it on the model)."
        )
    directory = pathlib.Path(directory)
    versions = [int(child.name) for child in directory.glob("*") if child.name.isdigit()]
    version = max(versions, default=0) + 1 if version is None else int(version)
    if version in versions:
        raise ValueError(
            f"a version is written once, received version={version} and found {sorted(versions)} in {directory}."
        )

    if max_proposals < 1:
        raise ValueError(f"max_proposals must be at least 1, received {max_proposals}.")

    # A function of its own, so that all signatures share one graph of the model for each canvas.
    call = tf.function(lambda inputs: model(inputs, training=False), autograph=False)
    detect = _detector(model, call, preprocessing, max_proposals)
    archive = keras.export.ExportArchive()
    archive.track(model)
    takes_proposals = getattr(model, "takes_proposals", False)
    proposals = [tf.TensorSpec((None, None, 4), tf.float32, name="proposals")] if takes_proposals else []
    image_bytes = [tf.TensorSpec((None,), tf.string, name="image_bytes"), *proposals]
    tensors = [tf.TensorSpec((None, None, None, 3), tf.uint8, name="images"), *proposals]

    def from_bytes(image_bytes, proposals=None):
        return detect(image_bytes, _decode, proposals)

    def from_tensors(images, proposals=None):
        return detect(images, lambda image: image, proposals)

    def full_masks(image_bytes, proposals=None):
        return _with_pasted_masks(from_bytes(image_bytes, proposals), getattr(model, "whole_pixels", False))

    archive.add_endpoint("serving_default", from_bytes, image_bytes)
    signatures = {"serving_default": "image_bytes", "tensors": "images"}
    archive.add_endpoint("tensors", from_tensors, tensors)
    if getattr(model, "mask_head", None) is not None:
        archive.add_endpoint("full_masks", full_masks, image_bytes)
        signatures["full_masks"] = "image_bytes"
    categories = {"categories": model.categories}
    if getattr(model, "panoptic_merger", None) is not None:
        maps = _detector(model, call, preprocessing, max_proposals, panoptic=True)

        def panoptic(image_bytes, proposals=None):
            return maps(image_bytes, _decode, proposals)

        archive.add_endpoint("panoptic", panoptic, image_bytes)
        signatures["panoptic"] = "image_bytes"
        categories["panoptic_categories"] = model.panoptic_categories

    # Written under another name first: a server that polls the folder never meets half a model.
    folder, unfinished = directory / str(version), directory / f"unfinished_{version}"
    archive.write_out(str(unfinished), verbose=False)
    extra = unfinished / "assets.extra"
    extra.mkdir(exist_ok=True)
    for name, items in categories.items():
        (extra / f"{name}.json").write_text(json.dumps([dict(item) for item in items], indent=1))
    if warmup:
        write_warmup_requests(unfinished, canvas_requests(signatures, preprocessing, takes_proposals))
    os.replace(unfinished, folder)
    return folder


def _detector(model, call, preprocessing, max_proposals, panoptic=False):
    """Function from images, how to read one, and proposals, to detections or panoptic maps in the data set's terms."""
    ids = tf.constant([0] + [category["id"] for category in model.categories], tf.int64)

    def on_canvas(read, canvas, batch, proposals=None):
        specs = {key: tf.TensorSpec((2,), tf.float32) for key in ("image_sizes", "original_sizes", "scales", "offsets")}
        specs["images"] = tf.TensorSpec((*canvas, 3), tf.float32)
        inputs = tf.map_fn(lambda item: preprocessing(read(item), canvas), batch, fn_output_signature=specs)
        if proposals is not None:
            place = {key: inputs[key] for key in ("original_sizes", "scales", "offsets")}
            inputs["proposals"] = proposal_slots(proposals, count=max_proposals, **place)
        found = call(inputs)
        if panoptic:
            sizes = tf.cast(inputs["original_sizes"], tf.int32)
            return {**panoptic_pictures(found, inputs, model.panoptic_categories), "image_sizes": sizes}
        outputs = {
            "detection_boxes": found["boxes"],
            "detection_scores": found["scores"],
            "detection_classes": tf.gather(ids, found["classes"]),
            "num_detections": found["num_detections"],
            "image_sizes": tf.cast(inputs["original_sizes"], tf.int32),
        }
        for kind in ("masks", "keypoints"):
            if kind in found:
                outputs[f"detection_{kind}"] = found[kind]
        return outputs

    def detect(batch, read, proposals):
        """Each image on its own canvas, so that what is found in it is the same in whatever company it comes."""
        index = tf.zeros(tf.shape(batch)[:1], tf.int64)
        if len(preprocessing.canvases) > 1:
            index = tf.map_fn(
                lambda item: preprocessing.canvas_index(preprocessing.resized(tf.shape(read(item))[:2])),
                batch,
                fn_output_signature=tf.int64,
            )
        given = [batch] if proposals is None else [batch, proposals]
        places, parts = [], []
        for number, canvas in enumerate(preprocessing.canvases):
            places.append(tf.cast(tf.where(index == number)[:, 0], tf.int32))
            chosen = [tf.gather(values, places[-1]) for values in given]
            parts.append(_unless_empty(functools.partial(on_canvas, read, canvas), chosen))
        return {key: tf.dynamic_stitch(places, [part[key] for part in parts]) for key in parts[0]}

    return detect


def _unless_empty(function, batches):
    """What a function gives for batches of one length, or empty tensors, without calling it, for those of no image."""
    specs = [tf.TensorSpec((None, *values.shape[1:]), values.dtype) for values in batches]
    function = tf.function(function, autograph=False).get_concrete_function(*specs)

    def empty():
        return {key: tf.zeros((0, *spec.shape[1:]), spec.dtype) for key, spec in function.structured_outputs.items()}

    return tf.cond(tf.shape(batches[0])[0] > 0, lambda: function(*batches), empty)


def _decode(contents):
    image = tf.io.decode_image(contents, channels=3, expand_animations=False)
    return tf.ensure_shape(image, (None, None, 3))


def _with_pasted_masks(outputs, whole_pixels):
    """Detections whose masks cover whole images: 0 or 1 in uint8, zero beyond images smaller than the largest."""
    size = tf.reduce_max(outputs["image_sizes"], axis=0)

    def paste(item):
        masks, boxes = item
        return tf.cast(paste_masks(masks, boxes, size, whole_pixels=whole_pixels) >= MASK_THRESHOLD, tf.uint8)

    masks, boxes = outputs["detection_masks"], outputs["detection_boxes"]
    none = tf.zeros((0, masks.shape[1], 0, 0), tf.uint8)
    pasted = tf.cond(
        tf.shape(masks)[0] > 0, lambda: tf.map_fn(paste, (masks, boxes), fn_output_signature=tf.uint8), lambda: none
    )
    return {**outputs, "detection_masks": tf.ensure_shape(pasted, (None, masks.shape[1], None, None))}
