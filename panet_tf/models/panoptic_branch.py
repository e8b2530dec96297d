"""The part of `RCNN` that predicts panoptic maps: semantic classes, the order of instances, and the merging."""

import keras
import tensorflow as tf

from panet_tf.losses.semantic import semantic_loss
from panet_tf.models.anchor_generator import spatial_size
from panet_tf.ops.instance_ranking import class_canvas, instance_cells, ranking_labels, ranking_scores
from panet_tf.ops.semantic_classes import semantic_classes, thing_categories


def build(model, bottom, levels):
    """Creates the weights of the branch, and refuses parts that do not fit the categories.

    Args:
        model: `RCNN` with a semantic head and all attributes set.
        bottom: dict of symbolic levels of the backbone.
        levels: dict of symbolic levels of the last neck.

    Raises:
        ValueError: if the model's categories are not the things among the panoptic ones, or a part has another number
            of classes than they give.
    """
    things = thing_categories(model.panoptic_categories)
    if [dict(category) for category in things] != [dict(category) for category in model.categories]:
        raise ValueError(
            "categories must be the things among panoptic_categories, in their order, received "
            f"{[category['name'] for category in model.categories]} and {[category['name'] for category in things]}."
        )
    wanted = {"spatial_ranking": len(things)}
    if model.panoptic_merger is not None:
        classes = semantic_classes(model.panoptic_categories, model.panoptic_merger.context)
        wanted["semantic_head"] = classes.num_classes
    for part, number in wanted.items():
        found = getattr(getattr(model, part), "num_classes", number)
        if found != number:
            raise ValueError(f"{part} must have {number} classes for these categories, received {found}.")
    images = keras.KerasTensor((None, None, None, 3), model.compute_dtype)
    model.semantic_head(_semantic_levels(model, bottom, levels, images))
    if model.spatial_ranking is not None:
        model.spatial_ranking(keras.KerasTensor((None, None, None, len(things)), "float32"))


def _semantic_levels(model, bottom, levels, images, training=False):
    """Levels that the semantic head sees: the detector's, or those of necks or a network of its own."""
    if model.semantic_backbone is not None:
        bottom = model.semantic_backbone(images, training=training)
    elif not model.semantic_necks:
        return levels
    for neck in model.semantic_necks:
        bottom = neck(bottom, training=training)
    return bottom


def _semantic_logits(model, bottom, levels, inputs, training):
    images = tf.cast(inputs["images"], model.compute_dtype)
    return model.semantic_head(_semantic_levels(model, bottom, levels, images, training), training=training)


def _canvas_size(inputs, stride):
    """Cells of the ranking's canvas, integers where the graph knows them."""
    return tuple(-(-side // stride) for side in spatial_size(inputs["images"]))


def losses(model, bottom, levels, sample, inputs, training):
    """Losses of the semantic head and of the order of instances (OANet, equation 1).

    Args:
        model: `RCNN` with a semantic head.
        bottom: dict of levels of the backbone.
        levels: dict of levels of the last neck.
        sample: regions that the box head was trained on; not needed here.
        inputs: complete inputs with `"semantic"`, and for the ranking `"panoptic"`, `"boxes"`, `"classes"`,
            `"is_crowd"` and `"masks"`.
        training: bool.

    Returns:
        `{"semantic_loss": (sum, count)}`, and `"ranking_loss"` with a spatial ranking module; counts are of pixels.
    """
    real = inputs["image_ids"] >= 0
    logits = _semantic_logits(model, bottom, levels, inputs, training)
    found = {"semantic_loss": semantic_loss(logits, inputs["semantic"], weights=real)}
    ranking = model.spatial_ranking
    if ranking is not None:
        # Crowds are no instances, whatever their masks cover.
        classes = tf.where(real[:, None] & ~inputs["is_crowd"], inputs["classes"], 0)
        masks = inputs["masks"]
        if ranking.train_on == "predicted":
            features = model.pool(levels, inputs["boxes"], model.mask_pooling)
            masks = tf.sigmoid(model.mask_head(features, classes=tf.maximum(classes, 1), training=False))
        size = _canvas_size(inputs, ranking.stride)
        cells = instance_cells(masks, inputs["boxes"], classes > 0, size=size, stride=ranking.stride)
        labels = ranking_labels(cells, classes, inputs["panoptic"])
        found["ranking_loss"] = semantic_loss(ranking(class_canvas(cells, classes, ranking.num_classes)), labels)
    return found


def outputs(model, bottom, levels, found, inputs):
    """The panoptic map on the network's canvas, and its table of segments.

    Args:
        model, bottom, levels, inputs: as in `losses`.
        found: dict of `"boxes"` float32 (B, D, 4) in network pixels, `"scores"`, `"classes"`, `"valid"` (B, D), and
            `"masks"` float32 (B, D, m, m).

    Returns:
        What `PanopticMerger` gives, the inputs' `"scales"` and `"offsets"`, and `"ranking_scores"` float32 (B, D) with
        a spatial ranking module; without a merger `"semantic"` int32 (B, h, w), the most probable class of the semantic
        head.
    """
    logits = _semantic_logits(model, bottom, levels, inputs, training=False)
    if model.panoptic_merger is None:
        return {"semantic": tf.argmax(logits, axis=-1, output_type=tf.int32)}
    results, scores = {}, None
    if model.spatial_ranking is not None:
        scores = rank(model.spatial_ranking, found, inputs, model.panoptic_merger.score_threshold)
        results["ranking_scores"] = scores
    merged = model.panoptic_merger(
        found,
        logits,
        image_sizes=inputs["image_sizes"],
        scales=inputs["scales"],
        ranking=scores,
        categories=model.panoptic_categories,
        size=spatial_size(inputs["images"]),
    )
    # A map on the canvas means nothing without its place in the original image.
    return results | merged | {key: inputs[key] for key in ("scales", "offsets")}


def rank(ranking, found, inputs, score_threshold):
    """Scores by which detections are laid down, from the masks of those above the threshold.

    Args:
        ranking: `SpatialRanking`.
        found: as in `outputs`.
        inputs: dict with `"images"`, whose size is the canvas's.
        score_threshold: detections below it are not on the canvas.

    Returns:
        float32 (B, D), 0 below the threshold.
    """
    classes = tf.where(found["scores"] >= score_threshold, found["classes"], 0)
    size = _canvas_size(inputs, ranking.stride)
    cells = instance_cells(found["masks"], found["boxes"], classes > 0, size=size, stride=ranking.stride)
    probabilities = tf.nn.softmax(ranking(class_canvas(cells, classes, ranking.num_classes)))
    return ranking_scores(probabilities, cells, classes, share_blobs=ranking.share_blobs)
