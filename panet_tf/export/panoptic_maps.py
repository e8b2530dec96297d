"""Panoptic maps as a server gives them out: PNG files of segment ids at the images' own sizes."""

import tensorflow as tf

from panet_tf.ops.panoptic_geometry import to_original_size
from panet_tf.ops.panoptic_ids import ids_to_rgb


def panoptic_pictures(found, inputs, categories):
    """COCO's two halves of a panoptic result: a PNG whose colours are segment ids, and a table of the segments.

    Args:
        found: outputs of a panoptic model: `"panoptic"` int32 (B, H, W) and the table (B, S).
        inputs: the batch that they were made from: `"original_sizes"`, `"scales"`, `"offsets"`, `"image_sizes"`, each
            float32 (B, 2).
        categories: the panoptic categories, dicts with `"id"`.

    Returns:
        Dict of `"panoptic_png"` string (B,), id = R + 256 G + 65536 B, 0 is void; and of S slots, `"segment_ids"` int32
        (B, S), 0 in empty ones, those that show nothing at the original size among them; `"segment_categories"` int64
        (B, S), the data set's ids; `"segment_scores"` float32 (B, S); `"segment_areas"` int32 (B, S), original pixels.

    Source: panopticapi's format, https://cocodataset.org/#format-results.
    """
    slots = found["segment_classes"].shape[1]
    ids = tf.constant([0] + [category["id"] for category in categories], tf.int64)

    def picture(item):
        panoptic, size, scale, offset, shown = item
        panoptic = to_original_size(panoptic, size=size, scale=scale, offset=offset, shown=shown)
        areas = tf.math.bincount(panoptic, minlength=slots + 1, maxlength=slots + 1)[1:]
        return tf.io.encode_png(ids_to_rgb(panoptic)), areas

    sizes = [inputs[key] for key in ("original_sizes", "scales", "offsets", "image_sizes")]
    signature = (tf.TensorSpec((), tf.string), tf.TensorSpec((slots,), tf.int32))
    pictures, areas = tf.map_fn(picture, (found["panoptic"], *sizes), fn_output_signature=signature)
    shown = areas > 0
    return {
        "panoptic_png": pictures,
        "segment_ids": tf.where(shown, tf.range(1, slots + 1), 0),
        "segment_categories": tf.where(shown, tf.gather(ids, found["segment_classes"]), 0),
        "segment_scores": tf.where(shown, found["segment_scores"], 0.0),
        "segment_areas": areas,
    }
