"""The part of `RCNN` that predicts masks: its loss on sampled regions, its masks on found boxes."""

import tensorflow as tf

from panet_tf.losses.mask import mask_loss
from panet_tf.models import box_branch
from panet_tf.models.inclusive_boxes import to_last_network_pixel
from panet_tf.ops.box_matching import match_boxes
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
    if model.interleaving:
        sample = _of_predictions(model, sample, inputs)
    rows, weights = positive_rows(sample["classes"], model.roi_sampler.num_positive)
    rois, labels, matched = (tf.gather(sample[name], rows, batch_dims=1) for name in ("rois", "classes", "matched"))
    features = model.pool(levels, rois, model.mask_pooling, training)
    competing = {"with_background": True} if getattr(model.mask_head, "activation", None) == "softmax" else {}
    logits = model.mask_head(features, classes=tf.maximum(labels, 1), training=training, **competing)
    targets = mask_targets(inputs["masks"], inputs["boxes"], rois, matched, logits.shape[3])
    return {"mask_loss": mask_loss(logits, targets, weights, **model.given_normalizers(normalizer="mask_loss"))}


def _of_predictions(model, sample, inputs):
    """The sample with those regions positive whose refined boxes overlap an object (SA-FPN + EJ-Head, section 3.2).

    Negatives of the sample may become positive and the other way round. The objects' own boxes join, so that early in
    training, when no prediction is good yet, masks are learned from something.
    """
    boxes = box_branch.refined_boxes(sample, model.roi_sampler.box_weights, inputs["image_sizes"])
    objects = (inputs["classes"] > 0) & ~inputs["is_crowd"] & (inputs["image_ids"][:, None] >= 0)
    matched, labels = match_boxes(
        inputs["boxes"],
        boxes,
        objects,
        positive_threshold=model.roi_sampler.positive_iou,
        negative_threshold=model.roi_sampler.positive_iou,
    )
    positive = (labels == 1) & (sample["classes"] >= 0)
    rois = boxes if model.interleaving == "repool" else sample["rois"]
    slots = tf.broadcast_to(tf.range(tf.shape(objects)[1]), tf.shape(objects))
    rois = tf.concat([rois, inputs["boxes"]], axis=1)
    matched = tf.concat([matched, slots], axis=1)
    positive = tf.concat([positive, objects], axis=1)
    order = tf.argsort(tf.cast(~positive, tf.int32), axis=1, stable=True)
    classes = tf.where(positive, tf.gather(inputs["classes"], matched, batch_dims=1), 0)
    values = {"rois": rois, "matched": matched, "classes": classes}
    return {name: tf.gather(value, order, batch_dims=1) for name, value in values.items()}


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
        found: dict of `"boxes"` float32 (B, D, 4) in network pixels, `"classes"` int32 (B, D), `"valid"` bool (B, D),
            and `"rois"` float32 (B, D, 4), the regions that the boxes came from.

    Returns:
        `{"masks": float32 (B, D, m, m)}`, probabilities inside each box, zero in empty slots.
    """
    boxes = found["boxes"]
    regions = found["rois"] if model.interleaving == "reuse" else boxes
    pooled = to_last_network_pixel(regions, inputs, model.mask_pooling)
    logits = model.mask_head(model.pool(levels, pooled, model.mask_pooling), classes=tf.maximum(found["classes"], 1))
    masks = tf.sigmoid(logits)
    if model.interleaving == "reuse":  # from the regions that they were predicted in into the boxes that go out
        places = tf.broadcast_to(tf.range(tf.shape(masks)[1]), tf.shape(masks)[:2])
        masks = mask_targets(masks, regions, boxes, places, masks.shape[-1], soft=True)
    return {"masks": masks * tf.cast(found["valid"], tf.float32)[..., None, None]}
