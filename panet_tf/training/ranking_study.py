"""How much a learned order of instances is worth, when detection scores mislead: a study that takes minutes on a CPU.

Masks, boxes and classes are the true ones, so that nothing but the order of instances differs between two results.
"""

import functools

import keras
import numpy as np
import tensorflow as tf

from panet_tf.data.mask_grids import unpack_masks
from panet_tf.data.occluded_shapes_source import OccludedShapesSource
from panet_tf.evaluation.panoptic_quality import PanopticQuality
from panet_tf.heads.spatial_ranking import SpatialRanking
from panet_tf.losses.semantic import semantic_loss
from panet_tf.ops.instance_ranking import class_canvas, instance_cells, ranking_labels, ranking_scores
from panet_tf.ops.masks import paste_masks_numpy
from panet_tf.ops.panoptic_merge import merge_panoptic
from panet_tf.visualization.ranking import draw_ranking

STRIDE = 4
BATCH = 10
# What is compared: the module's kernel (None: no module, detection scores) and how much of an instance may be hidden.
ORDERS = {
    "learned ranking, 1x7 + 7x1": {"kernel": "1x7+7x1"},
    "learned ranking, 3x3": {"kernel": "3x3"},
    "learned ranking, 1x1": {"kernel": "1x1"},
    "detection score, whatever is hidden": {"kernel": None, "overlap_threshold": 1.0},
    "detection score, Panoptic FPN's rules": {"kernel": None},
}


def ranking_run(
    kernel="1x7+7x1",
    *,
    overlap_threshold=0.5,
    seed=0,
    train_images=500,
    eval_images=200,
    image_size=128,
    steps=600,
    learning_rate=3e-3,
    share_blobs=True,
):
    """Learns an order of instances from one set of images of overlapping shapes, and judges it on another.

    Shapes overlap heavily and half of them lie, small, wholly on a large one, as a tie lies on a person
    (`OccludedShapesSource(small_on_top=0.5)`). Detection scores mislead: they grow with the instances' size, but for
    some noise.

    Args:
        kernel: of `SpatialRanking`, or `None`: instances are laid down by their detection scores.
        overlap_threshold: share of an instance that may be hidden. Defaults to 0.5; with 1 none is left out.
        seed: int, of images, scores and weights. Defaults to 0.
        train_images: int. Defaults to 500.
        eval_images: int. Defaults to 200.
        image_size: int, pixels a side. Defaults to 128.
        steps: int, updates of 10 images by Adam. Defaults to 600.
        learning_rate: float, falls to 0 along half a cosine. Defaults to 0.003.
        share_blobs: as in `SpatialRanking`. Defaults to True.

    Returns:
        Pair of a dict, PQ, SQ and RQ of things (`"pq_things"`, ...), and uint8 (h, w, 3), a picture of the pair that
        detection scores get wrong by most (OANet, figure 7), or `None` without a kernel.

    Example:
        >>> learned, picture = ranking_run("1x7+7x1")
        >>> heuristic, _ = ranking_run(None, overlap_threshold=1.0)
        >>> learned["pq_things"] - heuristic["pq_things"]
    """
    truth = _scenes(eval_images, image_size, 2 * seed + 1)
    ranking, layer = None, None
    if kernel is not None:
        layer = _trained(_scenes(train_images, image_size, 2 * seed), kernel, steps, learning_rate, seed, share_blobs)
        ranking, maps = _ranked(layer, truth)
    quality = _quality(truth, ranking, overlap_threshold)
    values = {key: value for key, value in quality.items() if key.endswith("_things")}
    return values, None if layer is None else _picture(truth, ranking, maps)


@functools.lru_cache(maxsize=4)
def _scenes(count, side, seed):
    """Arrays of drawn images, and of their instances in slots."""
    source = OccludedShapesSource(
        num_examples=count,
        image_size=(side, side),
        instances=(5, 12),
        overlap=0.7,
        small_on_top=0.5,
        exceptions=0.05,
        seed=seed,
    )
    samples = [source.draw(index) for index in range(count)]
    slots = max(len(sample["objects"]["id"]) for sample in samples)
    rng = np.random.default_rng((seed, 1))

    def padded(values):
        values = np.asarray(values)
        return np.pad(values, [(0, slots - len(values)), *[(0, 0)] * (values.ndim - 1)])

    objects = [sample["objects"] for sample in samples]
    scenes = {"boxes": np.stack([padded(item["box"]) for item in objects])}
    scenes["classes"] = np.stack([padded(item["class"]) for item in objects])
    scenes["masks"] = np.stack([padded(unpack_masks(item["mask"])) for item in objects])
    areas = np.stack([padded(item["area"]) for item in objects])
    relative = np.sqrt(areas / np.maximum(areas.max(axis=1, keepdims=True), 1))
    scenes["scores"] = np.clip(0.55 + 0.4 * relative + 0.05 * rng.normal(size=areas.shape), 0.5, 1).astype("float32")
    scenes["panoptic"] = np.stack([sample["panoptic"][..., 0] for sample in samples]).astype("int32")
    scenes["categories"] = [sample["segments"]["category"] for sample in samples]
    scenes["images"] = [sample["image"] for sample in samples]
    scenes["source"] = source
    return scenes


def _cells(batch, side):
    return instance_cells(
        batch["masks"], batch["boxes"], batch["classes"] > 0, size=(side // STRIDE, side // STRIDE), stride=STRIDE
    )


def _trained(scenes, kernel, steps, learning_rate, seed, share_blobs):
    """The ranking module, taught on the true masks."""
    keras.utils.set_random_seed(seed)
    classes, side = len(scenes["source"].categories), scenes["panoptic"].shape[1]
    layer = SpatialRanking(num_classes=classes, kernel=kernel, stride=STRIDE, share_blobs=share_blobs)
    layer.build((None, None, None, classes))
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(learning_rate, steps))
    optimizer.build(layer.trainable_weights)
    arrays = {name: scenes[name] for name in ("boxes", "classes", "masks")}
    # Slots number the instances as segments do, so the map of segments is the target; stuff has no slot.
    slots = scenes["classes"].shape[1]
    shown = scenes["panoptic"][:, STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]
    things = (scenes["classes"] > 0).sum(axis=1)[:, None, None]
    arrays["panoptic"] = np.where(shown <= np.minimum(things, slots), shown, 0)

    @tf.function
    def step(batch):
        cells = _cells(batch, side)
        labels = ranking_labels(cells, batch["classes"], batch["panoptic"])
        with tf.GradientTape() as tape:
            total, count = semantic_loss(layer(class_canvas(cells, batch["classes"], classes)), labels)
            loss = total / tf.maximum(count, 1.0)
        gradients = tape.gradient(loss, [weight.value for weight in layer.trainable_weights])
        optimizer.apply(gradients, layer.trainable_weights)
        return loss

    batches = tf.data.Dataset.from_tensor_slices(arrays).shuffle(1000, seed=seed).repeat().batch(BATCH)
    for batch in batches.take(steps):
        step(batch)
    return layer


def _ranked(layer, scenes):
    """Scores (n, N) and ranking maps (n, h, w, K) of all images."""
    side, scores, maps = scenes["panoptic"].shape[1], [], []
    for i in range(0, len(scenes["scores"]), BATCH):
        batch = {name: scenes[name][i : i + BATCH] for name in ("boxes", "classes", "masks")}
        cells = _cells(batch, side)
        probabilities = tf.nn.softmax(layer(class_canvas(cells, batch["classes"], layer.num_classes)))
        scores.append(ranking_scores(probabilities, cells, batch["classes"], share_blobs=layer.share_blobs).numpy())
        maps.append(probabilities.numpy())
    return np.concatenate(scores), np.concatenate(maps)


def _quality(scenes, ranking, overlap_threshold):
    """PQ of maps that are merged in an order."""
    source, side = scenes["source"], scenes["panoptic"].shape[1]
    things = len(source.categories)
    quality = PanopticQuality(source.panoptic_categories)
    ranking = scenes["scores"] if ranking is None else ranking
    merge = tf.function(
        functools.partial(
            merge_panoptic,
            semantic=tf.zeros((1, side // STRIDE, side // STRIDE, 1)),
            size=(side, side),
            thing_category=tuple(range(things + 1)),
            stuff_category=(0,),  # no stuff is predicted: things alone are judged
            overlap_threshold=overlap_threshold,
        )
    )
    for i, categories in enumerate(scenes["categories"]):
        arrays = {name: scenes[name][i : i + 1] for name in ("masks", "boxes", "classes", "scores")}
        merged = merge(**{k: tf.constant(v) for k, v in arrays.items()}, ranking=tf.constant(ranking[i : i + 1]))
        found = [
            {"id": slot, "category_id": int(category)}
            for slot, category in enumerate(merged["segment_classes"][0].numpy(), start=1)
            if category
        ]
        expected = [{"id": n, "category_id": int(category)} for n, category in enumerate(categories, start=1)]
        quality.update(scenes["panoptic"][i], expected, merged["panoptic"][0].numpy(), found)
    return quality.result()


def _picture(scenes, ranking, maps):
    """A pair that overlaps, in which the detection scores are the most wrong and the ranking is right."""
    best, chosen = 0.0, None
    side, names = scenes["panoptic"].shape[1], [item["name"] for item in scenes["source"].categories]
    for i in range(min(len(ranking), 50)):
        number = int((scenes["classes"][i] > 0).sum())
        masks = paste_masks_numpy(scenes["masks"][i][:number], scenes["boxes"][i][:number], (side, side))
        visible = np.stack([scenes["panoptic"][i] == n + 1 for n in range(number)])
        for a in range(number):
            for b in range(number):
                common = masks[a] & masks[b]
                if scenes["classes"][i, a] == scenes["classes"][i, b] or common.sum() < 0.5 * masks[b].sum():
                    continue
                if (common & visible[b]).sum() < 0.9 * common.sum() or ranking[i, b] <= ranking[i, a]:
                    continue
                wrong = (scenes["scores"][i, a] - scenes["scores"][i, b]) * np.sqrt(common.sum())
                if wrong > best:
                    best, chosen = wrong, (i, [a, b], masks[[a, b]])
    if chosen is None:
        return None
    i, pair, masks = chosen
    classes = scenes["classes"][i, pair] - 1
    return draw_ranking(
        scenes["images"][i],
        masks,
        [names[k] for k in classes],
        detection_scores=scenes["scores"][i, pair],
        score_map=maps[i].transpose(2, 0, 1)[classes],
        ranking_scores=ranking[i, pair],
    )
