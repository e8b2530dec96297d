"""From instances that overlap and a semantic map to one panoptic map, in the graph."""

import tensorflow as tf

from panet_tf.ops.connected_components import connected_components
from panet_tf.ops.masks import pasting_matrix
from panet_tf.ops.xla import choose_implementation

MASK_THRESHOLD = 0.5


def merge_panoptic(
    masks,
    boxes,
    classes,
    scores,
    semantic,
    *,
    size,
    thing_category,
    stuff_category,
    ranking=None,
    image_sizes=None,
    scales=None,
    score_threshold=0.5,
    overlap_threshold=0.5,
    max_instances=100,
    min_stuff_area=4096,
    stuff_area="total",
    thing_classes="void",
    connected_stride=4,
    implementation="auto",
):
    """Gives every pixel of an image to one segment: instances in their order first, stuff where none lies.

    Instances below the score threshold are left out. The others are laid down from the highest `ranking` to the lowest
    (of equal ones the better detection first), each on the pixels that are still free. One is left out altogether if
    more than `overlap_threshold` of its mask is taken already. Then each free pixel gets its most probable stuff class,
    the semantic map interpolated bilinearly; what is smaller than the least area becomes void.

    With `ranking=None` the order is that of the detection scores, and this is the merging of Panoptic FPN. Sources:
    Kirillov et al., "Panoptic Segmentation", section 5.4 (the heuristic); detectron2, `panoptic_fpn.py`; OANet,
    section 3.3 and 4.2 (ranking, connected stuff of 4900 pixels).

    Only one mask is ever held at the image's size. The native implementation works in the window of each box, on a
    canvas that is changed in place; the portable one, for XLA, on the whole canvas. Both give the same.

    Args:
        masks: float (B, D, m, m), probabilities inside each box.
        boxes: float (B, D, 4), yxyx in network pixels.
        classes: int32 (B, D), 1..K, 0 in empty slots.
        scores: float (B, D), of the detections.
        semantic: float (B, h, w, C), logits of the semantic head, at `size` or an integer fraction of it.
        size: (H, W), of the canvas, ints, or scalar tensors where the graph serves several canvases.
        thing_category: int (K + 1,), panoptic category 1..P of each class, as in `ops.semantic_classes`.
        stuff_category: int array (C,), panoptic category of each semantic class, 0 for classes of things.
        ranking: float (B, D), the higher of two overlapping instances lies on top. Defaults to the detection scores.
        image_sizes: float (B, 2), valid height and width; void beyond. Defaults to the whole canvas.
        scales: float (B, 2), network pixels per original pixel, in which areas are counted. Defaults to 1.
        score_threshold: detections below it are left out. Defaults to 0.5.
        overlap_threshold: share of an instance that others may hide. Defaults to 0.5.
        max_instances: int, instances of an image. Defaults to 100.
        min_stuff_area: least area in original pixels. Defaults to 64 x 64; OANet has 4900.
        stuff_area: `"total"`, a class's area in the image; `"connected"`, that of each region, corners joining.
            Defaults to `"total"`.
        thing_classes: what a pixel of no instance is where a semantic class of things is the most probable: `"void"`,
            or `"dropped"`: probabilities are those among stuff alone. Defaults to `"void"`, as Panoptic FPN has it.
        connected_stride: int, regions are found on every n-th pixel. Defaults to 4; 1 is exact, at ten times the cost.
        implementation: `"auto"`, `"native"` or `"portable"`.

    Returns:
        Dict of `"panoptic"` int32 (B, H, W): 0 void, s the segment in slot s - 1; and of the slots, first the instances
        in the order in which they were laid down, then a slot for each stuff class, S = min(D, max_instances) + stuff:
        `"segment_classes"` int32 (B, S), the panoptic category 1..P, 0 in empty slots; `"segment_scores"` float32
        (B, S), detection scores, and of stuff the mean probability; `"segment_areas"` int32 (B, S), network pixels;
        `"segment_detections"` int32 (B, S), which detection an instance is, -1 elsewhere.

    Raises:
        ValueError: for an unknown option, or a semantic map that is no integer fraction of the canvas.

    Example:
        >>> numbers = semantic_classes(categories, "all")
        >>> merged = merge_panoptic(masks, boxes, classes, scores, logits, size=(800, 1344), ranking=ranking,
        ...     thing_category=numbers.thing_category, stuff_category=numbers.stuff_category)
    """
    for name, value, choices in (
        ("stuff_area", stuff_area, ("total", "connected")),
        ("thing_classes", thing_classes, ("void", "dropped")),
    ):
        if value not in choices:
            raise ValueError(f"{name} must be one of {choices}, received {value!r}.")
    known = tuple(side if isinstance(side, int) else None for side in size)
    cells = [static or dynamic for static, dynamic in zip(semantic.shape[1:3], tf.unstack(tf.shape(semantic)[1:3]))]
    step = size[0] // cells[0]
    if None not in (*known, *semantic.shape[1:3]) and (step * cells[0], step * cells[1]) != known:
        raise ValueError(
            f"semantic must have the canvas's size or an integer fraction of it, received {tuple(cells)} for {known}."
        )
    if stuff_area == "connected" and any(side and side % connected_stride for side in known):
        raise ValueError(f"size must be a multiple of connected_stride={connected_stride}, received {known}.")
    native = choose_implementation(implementation, "native", "portable", "merge_panoptic") == "native"
    batch = tf.shape(boxes)[0]
    ones = tf.ones((batch, 2))
    image_sizes = ones * tf.cast(tf.stack(size), tf.float32) if image_sizes is None else image_sizes
    image_sizes = tf.cast(image_sizes, tf.float32)
    scales = ones if scales is None else tf.cast(scales, tf.float32)
    scores = tf.cast(scores, tf.float32)
    ranking = scores if ranking is None else tf.cast(ranking, tf.float32)
    stuff = [c for c, category in enumerate(stuff_category) if category > 0]
    channels = stuff if thing_classes == "dropped" else list(range(len(stuff_category)))
    places = min(boxes.shape[1], max_instances)
    # Of each channel that is looked at, its slot, -1 for things.
    slots = tf.constant([places + stuff.index(c) if c in stuff else -1 for c in channels], tf.int32)
    length = places + len(stuff)
    table = tf.constant([0] * places + [int(stuff_category[c]) for c in stuff], tf.int32)

    def one_image(item):
        masks, boxes, classes, scores, ranking, semantic, image_size, scale = item
        order, candidates = _order(scores, ranking, classes, score_threshold)
        canvas, areas, painted = _paint(
            tf.gather(masks, order), tf.gather(boxes, order), candidates, size, overlap_threshold, places, native
        )
        canvas = tf.cast(canvas, tf.int32)
        detections = tf.where(painted >= 0, tf.gather(order, tf.maximum(painted, 0)), -1)
        probabilities = tf.nn.softmax(tf.gather(semantic, tf.constant(channels, tf.int32), axis=-1))
        if channels:
            free = (canvas == 0) & _inside(image_size, size)
            stuff_map = tf.where(free, tf.gather(slots, _upsampled_argmax(probabilities, size)), -1)
            least = min_stuff_area * tf.reduce_prod(scale)
            kept = _large_enough(stuff_map, length, least, 0 if stuff_area == "total" else connected_stride)
            canvas = tf.where(kept, stuff_map + 1, canvas)
        stuff_areas, stuff_scores = _stuff_table(canvas, probabilities, slots, length, step)
        instance = tf.range(length) < places
        areas = tf.where(instance, tf.pad(areas, [[0, len(stuff)]]), stuff_areas)
        detections = tf.pad(detections, [[0, len(stuff)]], constant_values=-1)
        found = tf.gather(scores, tf.maximum(detections, 0)) * tf.cast(detections >= 0, tf.float32)
        things = tf.gather(tf.constant(thing_category, tf.int32), tf.gather(classes, tf.maximum(detections, 0)))
        return {
            "panoptic": canvas,
            "segment_classes": tf.where(areas > 0, tf.where(instance, things, table), 0),
            "segment_scores": tf.where(instance, found, stuff_scores),
            "segment_areas": areas,
            "segment_detections": detections,
        }

    masks, boxes, semantic = (tf.cast(values, tf.float32) for values in (masks, boxes, semantic))
    inputs = (masks, boxes, classes, scores, ranking, semantic, image_sizes, scales)
    row = tf.TensorSpec((length,), tf.int32)
    signature = dict.fromkeys(("segment_classes", "segment_areas", "segment_detections"), row)
    signature |= {"panoptic": tf.TensorSpec(known, tf.int32), "segment_scores": tf.TensorSpec(row.shape, tf.float32)}
    # One image at a time: the semantic map at full size is the largest thing here.
    inputs = tuple(tf.stop_gradient(values) for values in inputs)
    return tf.map_fn(one_image, inputs, fn_output_signature=signature, parallel_iterations=1)


def _order(scores, ranking, classes, score_threshold):
    """Detections by ranking, then by score, then by slot, and how many lead this order that are to be laid down."""
    wanted = (classes > 0) & (scores >= score_threshold)
    lowest = tf.float32.min
    by_score = tf.math.top_k(tf.where(wanted, scores, lowest), k=scores.shape[0]).indices  # ties by lower index
    by_rank = tf.math.top_k(tf.gather(tf.where(wanted, ranking, lowest), by_score), k=scores.shape[0]).indices
    return tf.gather(by_score, by_rank), tf.math.count_nonzero(wanted, dtype=tf.int32)


def _paint(masks, boxes, candidates, size, overlap_threshold, places, native):
    """Lays down the first `candidates` instances: canvas float32 (H, W), areas int32 and rows int32 (places,).

    Counts and numbers are float32, which a GPU has kernels for and which is exact below 2^24 pixels.
    """
    limit = tf.cast(tf.stack(size), tf.float32)
    low = tf.cast(tf.clip_by_value(tf.math.ceil(boxes[:, :2] - 0.5), 0.0, limit), tf.int32)
    high = tf.cast(tf.clip_by_value(tf.math.floor(boxes[:, 2:] - 0.5) + 1.0, 0.0, limit), tf.int32)
    high = tf.maximum(high, low)

    def lay_down(i, canvas, taken, areas, rows):
        (y0, x0, y1, x1), mask = tf.unstack(boxes[i]), masks[i]
        top, left = tf.unstack(low[i]) if native else (0, 0)
        window = tf.unstack(high[i] - low[i]) if native else size
        vertical = pasting_matrix(y0, y1, window[0], mask.shape[0], first=top)
        horizontal = pasting_matrix(x0, x1, window[1], mask.shape[1], first=left)
        covered = tf.matmul(tf.matmul(vertical, mask), horizontal, transpose_b=True) >= MASK_THRESHOLD
        below = tf.slice(canvas, (top, left), window) if native else canvas
        shown = covered & (below == 0.0)
        area, free = (tf.reduce_sum(tf.cast(pixels, tf.float32)) for pixels in (covered, shown))
        accepted = (area > 0.0) & (area - free <= overlap_threshold * area) & (taken < places)
        number = tf.cast(taken + 1, tf.float32)
        painted = tf.where(shown & accepted, number, below)
        if native:  # in place: the canvas has no other reader by now
            painted = tf.raw_ops.TensorStridedSliceUpdate(
                input=canvas,
                begin=tf.stack([top, left]),
                end=tf.stack([top + window[0], left + window[1]]),
                strides=[1, 1],
                value=painted,
            )
        here = accepted & (tf.range(places) == taken)
        areas = tf.where(here, tf.cast(free, tf.int32), areas)
        rows = tf.where(here, i, rows)
        return i + 1, tf.ensure_shape(painted, canvas.shape), taken + tf.cast(accepted, tf.int32), areas, rows

    start = (0, tf.zeros(tf.stack(size)), 0, tf.zeros(places, tf.int32), tf.fill([places], -1))
    _, canvas, _, areas, rows = tf.while_loop(
        lambda i, *_: i < candidates, lay_down, start, maximum_iterations=boxes.shape[0], parallel_iterations=1
    )
    return canvas, areas, rows


def _inside(image_size, size):
    rows, columns = (tf.cast(tf.range(side), tf.float32) < image_size[axis] for axis, side in enumerate(size))
    return rows[:, None] & columns[None, :]


def _upsampled_argmax(probabilities, size):
    # Sizes that are tensors are not compared: resizing to the size that is there changes nothing.
    if not all(isinstance(side, int) for side in size) or tuple(probabilities.shape[:2]) != tuple(size):
        probabilities = tf.image.resize(probabilities, tf.stack(size))
    return tf.argmax(probabilities, axis=-1, output_type=tf.int32)


def _large_enough(stuff_map, slots, least, stride):
    """bool (H, W), pixels of stuff that is as large as asked; regions of every `stride`-th pixel, or classes if 0."""
    if not stride:
        return (stuff_map >= 0) & tf.gather(_counts(stuff_map, slots) >= least, tf.maximum(stuff_map, 0))
    cells = stuff_map[stride // 2 :: stride, stride // 2 :: stride]
    regions = connected_components(cells)
    areas = _counts(regions, tf.size(cells)) * stride**2
    kept = tf.gather(areas >= least, tf.maximum(regions, 0)) & (cells >= 0)
    if stride == 1:
        return kept
    # A pixel stays if a region that stays has its class in the cell around it or in one beside that.
    cells = tf.where(kept, cells, -1)
    padded = tf.pad(cells, ((1, 1), (1, 1)), constant_values=-1)
    near = tf.zeros_like(stuff_map, tf.bool)
    for y in range(3):
        for x in range(3):
            moved = tf.slice(padded, (y, x), tf.shape(cells))
            near |= tf.repeat(tf.repeat(moved, stride, axis=0), stride, axis=1) == stuff_map
    return near & (stuff_map >= 0)


def _counts(numbers, length):
    """float32 (length,), how often each number occurs; those below 0 are left out."""
    numbers = tf.reshape(numbers, (-1,))
    ones = tf.ones(tf.shape(numbers))
    return tf.math.unsorted_segment_sum(ones, tf.where(numbers >= 0, numbers, length), length + 1)[:length]


def _stuff_table(canvas, probabilities, slots, length, step):
    """Areas int32 and mean probabilities float32 (length,) of the slots; the latter at the centres of cells."""
    areas = tf.cast(_counts(canvas - 1, length), tf.int32)
    cells = tf.strided_slice(canvas, [step // 2] * 2, tf.shape(canvas), [step] * 2) - 1
    of_cell = tf.cast(cells[..., None] == slots, tf.float32)
    totals = tf.reduce_sum(of_cell * probabilities, axis=(0, 1))
    means = tf.math.divide_no_nan(totals, tf.reduce_sum(of_cell, axis=(0, 1)))
    return areas, tf.linalg.matvec(tf.one_hot(slots, length), means, transpose_a=True)
