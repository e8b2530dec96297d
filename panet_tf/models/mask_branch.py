"""The part of `RCNN` that predicts masks: its loss on sampled regions, its masks on found boxes."""

import tensorflow as tf

from panet_tf.losses.mask import mask_loss
from panet_tf.ops.masks import mask_targets


def losses(model, levels, sample, inputs, training):
    """Loss of the masks of positive regions, each on its object's class (Mask R-CNN, section 3).

    Args:
        model: `RCNN` with a mask head.
        levels: dict of levels of the last neck.
        sample: dict of `"rois"` float32 (B, R, 4), `"classes"` int32 (B, R), positives first, 0 background, -1 padding,
            and `"matched"` int32 (B, R), the objects' slots.
        inputs: complete inputs with targets.
        training: bool.

    Returns:
        `{"mask_loss": (sum, count)}`.
    """
    rows, weights = positive_rows(sample["classes"], model.roi_sampler.num_positive)
    rois, labels, matched = (tf.gather(sample[name], rows, batch_dims=1) for name in ("rois", "classes", "matched"))
    features = model.pool(levels, rois, model.mask_pooling, training)
    logits = model.mask_head(features, classes=tf.maximum(labels, 1), training=training)
    targets = mask_targets(inputs["masks"], inputs["boxes"], rois, matched, logits.shape[-1])
    return {"mask_loss": mask_loss(logits, targets, weights, **model.given_normalizers(normalizer="mask_loss"))}


def positive_rows(labels, places):
    """Which regions a branch of positives sees, int32 (B, places), and what each counts, float32 (B, places).

    Positives lead the sample. Where they do not fill the places they are repeated at weight 0: background there would
    enter the statistics of a batch norm that at inference sees objects alone.

    Args:
        labels: int32 (B, R), positive for positives, which come first.
        places: int.

    Returns:
        `(rows, weights)`.
    """
    order = tf.range(places)[None, :]
    positives = tf.reduce_sum(tf.cast(labels > 0, tf.int32), axis=1, keepdims=True)
    return order % tf.maximum(positives, 1), tf.cast(order < positives, tf.float32)


def outputs(model, levels, found, inputs):
    """Masks of the found boxes, for the class of each.

    Args:
        model, levels, inputs: as in `losses`.
        found: dict of `"boxes"` float32 (B, D, 4) in network pixels, `"classes"` int32 (B, D), `"valid"` bool (B, D).

    Returns:
        `{"masks": float32 (B, D, m, m)}`, probabilities inside each box, zero in empty slots.
    """
    features = model.pool(levels, found["boxes"], model.mask_pooling)
    logits = model.mask_head(features, classes=tf.maximum(found["classes"], 1))
    return {"masks": tf.sigmoid(logits) * tf.cast(found["valid"], tf.float32)[..., None, None]}
