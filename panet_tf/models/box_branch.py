"""The part of `RCNN` that classifies and refines boxes: in one step, or in the steps of a cascade."""

import tensorflow as tf

from panet_tf.losses.box import box_losses, losses_of_regions
from panet_tf.models.detector_inputs import without_padding_images
from panet_tf.models.inclusive_boxes import to_last_original_pixel
from panet_tf.ops import boxes as box_ops

SMALLEST = 1e-30  # of a probability before its logarithm; the smallest normal float32 is 1.2e-38


def losses(model, levels, proposals, inputs, training):
    """Losses of the box head on sampled proposals, and of each later stage on the boxes before it.

    Args:
        model: `RCNN` with a box head.
        levels: dict of levels of the last neck.
        proposals: dict of `"boxes"` float32 (B, P, 4) and `"valid"` bool (B, P).
        inputs: complete inputs with targets.
        training: bool.

    Returns:
        `(losses, sample)`: a dict from names, `"class_loss"`, `"box_loss"` and, for later stages, `"class_loss_2"`,
        `"box_loss_2"` ..., to (sum, count); and the first stage's sample, a dict of `"rois"` float32 (B, R, 4),
        `"classes"` int32 (B, R), `"matched"` int32 (B, R), positives first, with the head's `"class_logits"` and
        `"box_deltas"` for it.
    """
    boxes, valid = proposals["boxes"], proposals["valid"]
    objects = inputs["boxes"], inputs["classes"], inputs["is_crowd"]
    found, first = {}, None
    for number, (sampler, head) in enumerate(_stages(model), start=1):
        slots = boxes.shape[1] + (inputs["boxes"].shape[1] if sampler.append_boxes else 0)
        sample = sampler(boxes, valid, *objects, model.noise(inputs, slots, number, training))
        if hasattr(sampler, "hardest"):
            sample = sampler.hardest(sample, _read_only_losses(model, levels, sample, head))
        drawn = sample["classes"] >= 0
        sample["classes"] = without_padding_images(sample["classes"], inputs)
        targets = sample.pop("box_deltas")
        features = model.pool(levels, sample["rois"], model.box_pooling, training)
        sample |= head(_scale_gradient(features, 1 / (1 + len(model.box_stages))), training=training)
        suffix = "" if number == 1 else f"_{number}"
        values = box_losses(
            sample["class_logits"],
            sample["box_deltas"],
            classes=sample["classes"],
            box_targets=targets,
            beta=model.box_beta,
            **model.given_normalizers(class_normalizer=f"class_loss{suffix}", box_normalizer=f"box_loss{suffix}"),
        )
        found |= {f"class_loss{suffix}": values["class"], f"box_loss{suffix}": values["box"]}
        first = first or sample
        if number <= len(model.box_stages):
            boxes = refined_boxes(sample, sampler.box_weights, inputs["image_sizes"])
            valid = drawn & tf.reduce_all(boxes[..., 2:] > boxes[..., :2], axis=-1)
    return found, first


def _read_only_losses(model, levels, sample, head):
    """Loss of every region of a sample, float32 (B, R), from a pass that trains nothing: no gradient, no statistics."""
    levels = {name: tf.stop_gradient(level) for name, level in levels.items()}
    found = head(model.pool(levels, sample["rois"], model.box_pooling, training=False), training=False)
    targets = {"classes": sample["classes"], "box_targets": sample["box_deltas"], "beta": model.box_beta}
    cross_entropy, distance = losses_of_regions(found["class_logits"], found["box_deltas"], **targets)
    return tf.stop_gradient(cross_entropy + tf.where(sample["classes"] > 0, distance, 0.0))


def detections(model, levels, proposals, inputs):
    """Detections of the proposals of each image, in network pixels.

    Args:
        model, levels, proposals, inputs: as in `losses`.

    Returns:
        dict of `"boxes"` float32 (B, D, 4), `"scores"` float32 (B, D), `"classes"` int32 (B, D), `"valid"` bool (B, D)
        and `"rois"` float32 (B, D, 4), the regions that the last stage made them of.
    """
    logits, deltas, boxes = classified(model, levels, proposals, inputs)
    decoded = to_last_original_pixel(boxes, inputs, model.box_pooling)
    found = model.detection_selector(logits, deltas, decoded, proposals["valid"], inputs["image_sizes"])
    return found | {"rois": tf.gather(boxes, found["roi_indices"], batch_dims=1)}


def candidates(model, levels, proposals, inputs):
    """The boxes and scores of every proposal and class, before suppression: what test-time augmentation gathers.

    Args:
        model, levels, proposals, inputs: as in `losses`.

    Returns:
        `(boxes, scores)`, float32 (B, P, K or 1, 4) in network pixels, and (B, P, K), 0 for what is no detection.
    """
    logits, deltas, boxes = classified(model, levels, proposals, inputs)
    decoded = to_last_original_pixel(boxes, inputs, model.box_pooling)
    return model.detection_selector.candidates(logits, deltas, decoded, proposals["valid"], inputs["image_sizes"])


def classified(model, levels, proposals, inputs):
    """What the last stage says of each proposal.

    In a cascade every stage scores its own boxes, and a detection's score is the mean over the stages (Cascade R-CNN,
    section 4.3, as its authors' code has it).

    Args:
        model, levels, proposals, inputs: as in `losses`.

    Returns:
        `(class_logits, box_deltas, rois)`, float32 (B, P, K + 1), (B, P, K or 1, 4) and (B, P, 4), the regions that the
        deltas are of.
    """
    boxes, scores = proposals["boxes"], []
    stages = _stages(model)
    for sampler, head in stages:
        sample = {"rois": boxes, **head(model.pool(levels, boxes, model.box_pooling))}
        if len(stages) > 1:
            scores.append(tf.nn.softmax(tf.cast(sample["class_logits"], tf.float32), axis=-1))
            if len(scores) < len(stages):
                boxes = refined_boxes(sample, sampler.box_weights, inputs["image_sizes"])
    logits = sample["class_logits"]
    if len(stages) > 1:  # the selector's softmax of logarithms gives the means back
        logits = tf.math.log(tf.maximum(tf.add_n(scores) / len(scores), SMALLEST))
    return logits, sample["box_deltas"], boxes


def refined_boxes(sample, box_weights, image_sizes):
    """Boxes that a stage makes of its regions: for the most probable object class where each class has its own.

    Args:
        sample: dict of `"rois"` float32 (B, R, 4), `"class_logits"` (B, R, K + 1) and `"box_deltas"` (B, R, K or 1, 4).
        box_weights: those that the targets of the deltas were encoded with.
        image_sizes: float32 (B, 2).

    Returns:
        float32 (B, R, 4), clipped to the image. No gradient passes.
    """
    deltas = sample["box_deltas"]
    if deltas.shape[2] > 1:
        best = tf.argmax(sample["class_logits"][..., 1:], axis=-1, output_type=tf.int32)
        deltas = tf.gather(deltas, best[..., None], batch_dims=2)
    boxes = box_ops.decode_boxes(deltas[..., 0, :], sample["rois"], box_weights)
    return tf.stop_gradient(box_ops.clip_boxes(boxes, image_sizes))


def _stages(model):
    first = (model.roi_sampler, model.box_head)
    return [first, *((stage.roi_sampler, stage.box_head) for stage in model.box_stages)]


def _scale_gradient(features, factor):
    """The same features; each stage of a cascade passes its share of the gradient down (as in detectron2)."""
    if factor == 1:
        return features
    return tuple(factor * level + (1 - factor) * tf.stop_gradient(level) for level in features)
