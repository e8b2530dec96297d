"""Why a model lays one instance on another, as a picture."""

import numpy as np
import tensorflow as tf

from panet_tf.inference.read_pixels import read_pixels
from panet_tf.models.panoptic_branch import rank
from panet_tf.ops.boxes import to_network
from panet_tf.ops.instance_ranking import class_canvas, instance_cells
from panet_tf.ops.masks import paste_masks_numpy
from panet_tf.ops.panoptic_geometry import to_original_size
from panet_tf.visualization.ranking import draw_ranking


def ranking_picture(model, image, *, pair=None, preprocessing=None, score_threshold=None):
    """Draws the spatial ranking of two instances that overlap, as OANet's figure 7.

    Args:
        model: `RCNN` with a `spatial_ranking` part, such as `oanet` gives.
        image: path, or uint8 (height, width, 3).
        pair: places of the two among the model's detections. Defaults to `None`: of instances of different categories,
            the two that share the most pixels.
        preprocessing: `panet_tf.data.Preprocessing`. Defaults to the model's own.
        score_threshold: detections below it are not looked at. Defaults to that of the model's merger.

    Returns:
        uint8 (rows, columns, 3), see `draw_ranking`.

    Raises:
        ValueError: the model ranks nothing, or no two instances of different categories overlap.

    Example:
        >>> Image.fromarray(ranking_picture(model, "person_with_tie.jpg")).save("ranking.png")
    """
    ranking, preprocessing = getattr(model, "spatial_ranking", None), preprocessing or model.preprocessing
    if ranking is None:
        raise ValueError("ranking_picture needs a model with a spatial_ranking part, received one without.")
    if preprocessing is None:
        raise ValueError("the model carries no preprocessing: give preprocessing=panet_tf.data.Preprocessing(...).")
    if score_threshold is None:
        score_threshold = getattr(model.panoptic_merger, "score_threshold", 0.0)
    pixels = image if isinstance(image, np.ndarray) else read_pixels(image)
    canvas = preprocessing.canvases[int(preprocessing.canvas_index(preprocessing.resized(pixels.shape[:2])))]
    inputs = {key: value[None] for key, value in preprocessing(pixels, canvas=canvas).items()}
    inputs["image_ids"] = tf.zeros((1,), tf.int64)
    outputs = model(inputs, training=False)
    found = {key: outputs[key] for key in ("masks", "scores", "classes")}
    found["boxes"] = to_network(outputs["boxes"], inputs["scales"], inputs["offsets"])
    scores = rank(ranking, found, inputs, score_threshold)[0].numpy()

    classes = tf.where(found["scores"] >= score_threshold, found["classes"], 0)
    size = tuple(-(-side // ranking.stride) for side in canvas)
    cells = instance_cells(found["masks"], found["boxes"], classes > 0, size=size, stride=ranking.stride)
    if pair is None:
        pair = _most_common(cells[0].numpy(), classes[0].numpy())
    maps = tf.nn.softmax(ranking(class_canvas(cells, classes, ranking.num_classes)))[0].numpy()
    scale = inputs["scales"][0].numpy() / ranking.stride
    chosen = classes[0].numpy()[list(pair)]
    return draw_ranking(
        pixels,
        paste_masks_numpy(
            outputs["masks"][0].numpy()[list(pair)], outputs["boxes"][0].numpy()[list(pair)], pixels.shape[:2]
        ),
        [model.categories[k - 1]["name"] for k in chosen],
        detection_scores=outputs["scores"][0].numpy()[list(pair)],
        ranking_scores=scores[list(pair)],
        score_map=[to_original_size(maps[..., k - 1], size=pixels.shape[:2], scale=scale) for k in chosen],
    )


def _most_common(cells, classes):
    """The two instances of different categories that share the most cells."""
    flat = cells.reshape(len(cells), -1)
    common = np.triu(flat @ flat.T, 1) * (classes[:, None] != classes)
    if not common.any():
        raise ValueError("no two instances of different categories overlap in this image.")
    return np.unravel_index(common.argmax(), common.shape)
