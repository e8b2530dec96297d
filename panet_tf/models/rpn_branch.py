"""The part of `RCNN` that proposes regions: a region proposal network, or proposals that come with the inputs."""

import tensorflow as tf

from panet_tf.losses.rpn import rpn_losses
from panet_tf.models.anchor_generator import spatial_size
from panet_tf.models.detector_inputs import without_padding_images


def propose(model, levels, inputs, training):
    """Proposals of each image, with what the losses need of the network behind them.

    Args:
        model: `RCNN`.
        levels: dict of levels of the last neck.
        inputs: complete inputs of the model.
        training: bool.

    Returns:
        dict of `"boxes"` float32 (B, P, 4), yxyx in network pixels, `"scores"` float32 (B, P), logits, and `"valid"`
        bool (B, P); from a network also its `"objectness"`, `"box_deltas"` and `"anchors"`.

    Raises:
        ValueError: if a model without a network gets no proposals.
    """
    if model.rpn_head is None:
        return given_proposals(inputs)
    rpn = model.rpn_head(levels, training=training)
    anchors = model.anchor_generator(levels, image_size=spatial_size(inputs["images"]))
    boxes, scores, valid = model.proposal_selector(
        rpn["objectness"], rpn["box_deltas"], anchors, inputs["image_sizes"], training=training
    )
    return {"boxes": boxes, "scores": scores, "valid": valid, "anchors": anchors, **rpn}


def given_proposals(inputs):
    """Proposals that come with the inputs, in the form of `propose`.

    Args:
        inputs: dict with `"proposals"` float32 (B, P, 4), zeros where there are fewer, and perhaps `"proposal_scores"`
            float32 (B, P).

    Returns:
        dict of `"boxes"`, `"scores"` and `"valid"`.

    Raises:
        ValueError: if there are none.
    """
    if "proposals" not in inputs:
        raise ValueError(
            "a model without rpn_head takes its regions from the inputs: 'proposals' float32 (B, P, 4), zeros where "
            f"there are fewer, received {sorted(inputs)}."
        )
    boxes = tf.stop_gradient(tf.cast(inputs["proposals"], tf.float32))
    scores = inputs.get("proposal_scores", tf.zeros_like(boxes[..., 0]))
    return {"boxes": boxes, "scores": scores, "valid": tf.reduce_all(boxes[..., 2:] > boxes[..., :2], axis=-1)}


def losses(model, found, inputs, training):
    """The network's two losses, `"rpn_objectness_loss"` and `"rpn_box_loss"`; none without a network.

    Args:
        model, inputs, training: as in `propose`.
        found: what `propose` returned.

    Returns:
        dict from names to (sum, count).
    """
    if model.rpn_head is None:
        return {}
    anchors = tf.concat(list(found["anchors"].values()), axis=0)
    objectness = tf.concat(list(found["objectness"].values()), axis=1)
    deltas = tf.concat(list(found["box_deltas"].values()), axis=1)
    noise = model.noise(inputs, objectness.shape[1] or tf.shape(objectness)[1], 0, training)
    objects = inputs["boxes"], inputs["classes"], inputs["is_crowd"]
    sample = model.anchor_sampler(anchors, *objects, noise, inputs["image_sizes"])
    values = rpn_losses(
        tf.gather(objectness, sample["indices"], batch_dims=1),
        tf.gather(deltas, sample["indices"], batch_dims=1),
        labels=without_padding_images(sample["labels"], inputs),
        box_targets=sample["box_deltas"],
        beta=model.rpn_beta,
        **model.given_normalizers(objectness_normalizer="rpn_objectness_loss", box_normalizer="rpn_box_loss"),
    )
    return {"rpn_objectness_loss": values["objectness"], "rpn_box_loss": values["box"]}


def detections(found, max_detections):
    """The best proposals as detections of class 1: what a model without a box head finds.

    Args:
        found: what `propose` returned.
        max_detections: int D.

    Returns:
        dict of `"boxes"` float32 (B, D, 4) in network pixels, `"scores"` float32 (B, D), probabilities, `"classes"`
        int32 (B, D) and `"valid"` bool (B, D); zeros in empty slots.
    """
    scores = tf.where(found["valid"], tf.sigmoid(found["scores"]), -1.0)
    missing = max(0, max_detections - scores.shape[1])
    scores = tf.pad(scores, ((0, 0), (0, missing)), constant_values=-1.0)
    boxes = tf.pad(found["boxes"], ((0, 0), (0, missing), (0, 0)))
    scores, order = tf.math.top_k(scores, k=max_detections)
    valid = scores >= 0
    return {
        "boxes": tf.where(valid[..., None], tf.gather(boxes, order, batch_dims=1), 0.0),
        "scores": tf.where(valid, scores, 0.0),
        "classes": tf.cast(valid, tf.int32),
        "valid": valid,
    }
