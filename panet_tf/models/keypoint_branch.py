"""The part of `RCNN` that predicts keypoints: its loss on sampled regions, its points in found boxes."""

import tensorflow as tf

from panet_tf.losses.keypoint import keypoint_loss
from panet_tf.models.mask_branch import positive_rows
from panet_tf.ops.keypoints import keypoint_targets, keypoints_to_original


def losses(model, levels, sample, inputs, training):
    """Loss of the keypoints that are visible inside positive regions (Mask R-CNN, section 5).

    Only regions with at least one such keypoint are positive here, as in detectron2.

    Args:
        model: `RCNN` with a keypoint head.
        levels: dict of levels of the last neck.
        sample: dict of `"rois"` float32 (B, R, 4), `"classes"` int32 (B, R), positives first, 0 background, -1 padding,
            and `"matched"` int32 (B, R), the objects' slots.
        inputs: complete inputs with targets, `"keypoints"` float32 (B, N, J, 3) among them.
        training: bool.

    Returns:
        `{"keypoint_loss": (sum, count)}`.

    Raises:
        ValueError: if the targets have another number of keypoints than the head.
    """
    number = inputs["keypoints"].shape[2]
    if number != model.keypoint_head.num_keypoints:
        raise ValueError(
            f"keypoints must be as many as keypoint_head predicts, {model.keypoint_head.num_keypoints}, received "
            f"{number}."
        )
    places = model.roi_sampler.num_positive
    rois, labels, matched = (sample[name][:, :places] for name in ("rois", "classes", "matched"))
    _, weights = keypoint_targets(inputs["keypoints"], rois, matched, 1)
    usable = tf.cast((labels > 0) & tf.reduce_any(weights > 0, axis=-1), tf.int32)

    # Regions with a visible keypoint lead, as `positive_rows` wants it; the others' places repeat them at weight 0.
    order = tf.argsort(usable, axis=1, direction="DESCENDING", stable=True)
    rows, counted = positive_rows(tf.gather(usable, order, batch_dims=1), places)
    rows = tf.gather(order, rows, batch_dims=1)
    rois, matched = (tf.gather(values, rows, batch_dims=1) for values in (rois, matched))
    logits = model.keypoint_head(model.pool(levels, rois, model.keypoint_pooling, training), training=training)
    cells, weights = keypoint_targets(inputs["keypoints"], rois, matched, logits.shape[2])
    values = keypoint_loss(
        logits,
        cells,
        weights * counted[..., None],
        classes=sample["classes"],
        **model.given_normalizers(normalizer="keypoint_loss"),
    )
    return {"keypoint_loss": values}


def outputs(model, levels, found, inputs):
    """Keypoints of the found boxes, whatever the class of each.

    Args:
        model, levels, inputs: as in `losses`.
        found: dict of `"boxes"` float32 (B, D, 4) in network pixels and `"valid"` bool (B, D).

    Returns:
        `{"keypoints": float32 (B, D, J, 3)}`: y, x in original pixels and a score, zero in empty slots. Where the head
        keeps its logits, also what `panet_tf.ops.keypoint_decoding.decode_exactly` reads: `"keypoint_logits"` float32
        (B, D, S, S, J), `"keypoint_rois"` float32 (B, D, 4) in network pixels, and the inputs' `"scales"` and
        `"offsets"`.
    """
    logits = model.keypoint_head(model.pool(levels, found["boxes"], model.keypoint_pooling))
    points = model.keypoint_head.decode(logits, found["boxes"])
    points = keypoints_to_original(points, inputs["scales"], inputs["offsets"])
    predictions = {"keypoints": tf.where(found["valid"][..., None, None], points, 0.0)}
    if model.keypoint_head.keep_logits:
        predictions |= {"keypoint_logits": logits, "keypoint_rois": found["boxes"]}
        predictions |= {key: inputs[key] for key in ("scales", "offsets")}
    return predictions
