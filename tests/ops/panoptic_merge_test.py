"""The merging beside a twin of plain loops, and the rules of each paper on scenes whose answer is seen."""

import numpy as np
import pytest
import tensorflow as tf

from panet_tf.ops.masks import paste_masks_numpy
from panet_tf.ops.panoptic_merge import merge_panoptic
from tests.ops.connected_components_test import flood_fill

SIZE = (32, 48)
THINGS = (0, 2, 4)  # classes 1 and 2 are the panoptic categories 2 and 4
STUFF = (1, 0, 3, 0, 5)  # five semantic classes, two of them of things


def resized(x, size):
    """Bilinear interpolation between the centres of cells, by the formula."""
    for axis in (0, 1):
        places = np.clip((np.arange(size[axis]) + 0.5) * x.shape[axis] / size[axis] - 0.5, 0, x.shape[axis] - 1)
        low = np.floor(places).astype(int)
        share = (places - low).reshape([-1 if i == axis else 1 for i in range(3)])
        x = np.take(x, low, axis) * (1 - share) + np.take(x, np.minimum(low + 1, x.shape[axis] - 1), axis) * share
    return x


def slow_merge(
    masks,
    boxes,
    classes,
    scores,
    semantic,
    ranking,
    image_size,
    scale,
    score_threshold=0.5,
    overlap_threshold=0.5,
    max_instances=100,
    min_stuff_area=4096,
    stuff_area="total",
    thing_classes="void",
    connected_stride=4,
):
    """One image by loops: (map of segment numbers, list of (number, category, score, area, detection))."""
    size = SIZE
    panoptic, segments = np.zeros(size, int), []
    places = min(len(boxes), max_instances)
    for d in sorted(range(len(boxes)), key=lambda d: (-ranking[d], -scores[d], d)):
        if classes[d] == 0 or scores[d] < score_threshold or len(segments) == places:
            continue
        covered = paste_masks_numpy(masks[d : d + 1], boxes[d : d + 1], size)[0]
        if not covered.any() or (covered & (panoptic > 0)).sum() > overlap_threshold * covered.sum():
            continue
        free = covered & (panoptic == 0)
        panoptic[free] = len(segments) + 1
        segments.append((len(segments) + 1, THINGS[classes[d]], scores[d], free.sum(), d))
    channels = [c for c, category in enumerate(STUFF) if category or thing_classes == "void"]
    exponent = np.exp(semantic[..., channels].astype(float))
    probabilities = exponent / exponent.sum(-1, keepdims=True)
    best = np.array(channels)[resized(probabilities, size).argmax(-1)]
    best[(panoptic > 0) | ~np.isin(best, np.flatnonzero(STUFF))] = -1
    best[int(image_size[0]) :], best[:, int(image_size[1]) :] = -1, -1
    least, kept = min_stuff_area * scale[0] * scale[1], np.zeros(size, bool)
    if stuff_area == "total":
        for c in range(len(STUFF)):
            kept |= (best == c) & ((best == c).sum() >= least)
    else:
        n = connected_stride
        cells = best[n // 2 :: n, n // 2 :: n]
        regions = flood_fill(cells, diagonal=True)
        for region in set(regions[regions >= 0]):
            if (regions == region).sum() * n * n >= least:
                for y, x in np.argwhere(regions == region):
                    reach = n if n > 1 else 0
                    around = np.s_[max(y * n - reach, 0) : y * n + n + reach, max(x * n - reach, 0) : x * n + n + reach]
                    kept[around] |= best[around] == cells[y, x]
    step = size[0] // semantic.shape[0]
    number = places
    for c in np.flatnonzero(STUFF):
        number += 1
        shown = kept & (best == c)
        panoptic[shown] = number
        at_cells = probabilities[shown[step // 2 :: step, step // 2 :: step], channels.index(c)]
        segments.append((number, STUFF[c], at_cells.mean() if len(at_cells) else 0.0, shown.sum(), -1))
    return panoptic, [segment for segment in segments if segment[3]]


def scene(seed, detections=9, batch=2):
    """Arrays of two images with blobs that overlap; boxes may leave the canvas or be empty."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0, SIZE, (batch, detections, 2))
    halves = rng.uniform(1, 16, (batch, detections, 2))
    boxes = np.concatenate([centres - halves, centres + halves], axis=-1).astype("float32")
    boxes[:, 3, 2:] = boxes[:, 3, :2]
    coarse = tf.image.resize(rng.normal(size=(batch, 3, 5, len(STUFF))), (SIZE[0] // 4, SIZE[1] // 4))
    return {
        "masks": rng.uniform(0.3, 1, (batch, detections, 7, 7)).astype("float32"),
        "boxes": boxes,
        "classes": rng.integers(0, 3, (batch, detections)).astype("int32"),
        "scores": np.round(rng.uniform(0.3, 1, (batch, detections)), 1).astype("float32"),  # ties, and some at 0.5
        "semantic": 3 * coarse.numpy(),
        "ranking": np.round(rng.uniform(0, 1, (batch, detections)), 1).astype("float32"),
        "image_sizes": np.float32([SIZE, (26, 41)]),
        "scales": np.float32([(1, 1), (0.5, 0.8)]),
    }


@pytest.mark.parametrize(
    "options",
    [
        {"min_stuff_area": 60},
        {"min_stuff_area": 100, "stuff_area": "connected", "connected_stride": 1, "thing_classes": "dropped"},
        {"min_stuff_area": 100, "stuff_area": "connected", "max_instances": 2, "overlap_threshold": 0.2},
        {"min_stuff_area": 0, "score_threshold": 0.8, "thing_classes": "dropped"},
    ],
)
def test_merging_is_that_of_loops(options):
    kwargs = {"size": SIZE, "thing_category": THINGS, "stuff_category": STUFF, **options}
    run = {
        implementation: tf.function(
            lambda arrays, i=implementation: merge_panoptic(**arrays, implementation=i, **kwargs), autograph=False
        )
        for implementation in ("native", "portable")
    }
    segments_seen = 0
    for seed in range(4):
        arrays = scene(seed)
        found = {name: tf.nest.map_structure(np.asarray, f(arrays)) for name, f in run.items()}
        for b in range(2):
            image = {key: value[b] for key, value in arrays.items()}
            image = {"image_size": image.pop("image_sizes"), "scale": image.pop("scales"), **image}
            panoptic, segments = slow_merge(**image, **options)
            segments_seen += len(segments)
            for outputs in found.values():
                np.testing.assert_array_equal(outputs["panoptic"][b], panoptic)
                table = [outputs[f"segment_{name}"][b] for name in ("classes", "scores", "areas", "detections")]
                filled = [(i + 1, *row) for i, row in enumerate(zip(*table)) if row[0]]
                np.testing.assert_allclose(np.array(filled), np.array(segments), atol=1e-5)  # float32 softmax
                assert not any(row[2] for row in zip(*table) if not row[0])
    assert segments_seen > 20


def test_compiled_by_xla_it_gives_the_same():
    arrays = scene(5)
    kwargs = {"size": SIZE, "thing_category": THINGS, "stuff_category": STUFF, "min_stuff_area": 80}
    compiled = tf.function(
        lambda arrays: merge_panoptic(**arrays, stuff_area="connected", **kwargs), jit_compile=True, autograph=False
    )(arrays)
    plain = merge_panoptic(**arrays, stuff_area="connected", **kwargs)
    assert len(np.unique(plain["panoptic"])) > 4
    for key, value in plain.items():
        np.testing.assert_allclose(compiled[key], value, atol=1e-5, err_msg=key)


def test_one_graph_serves_several_canvases():
    def merged(arrays):
        size = tf.unstack(4 * tf.shape(arrays["semantic"])[1:3])
        return merge_panoptic(
            **arrays, size=size, thing_category=THINGS, stuff_category=STUFF, stuff_area="connected", min_stuff_area=80
        )

    arrays = tf.nest.map_structure(tf.constant, scene(6))
    spec = tf.nest.map_structure(lambda x: tf.TensorSpec(x.shape, x.dtype), arrays)
    spec["semantic"] = tf.TensorSpec((2, None, None, len(STUFF)))
    run = tf.function(merged, autograph=False, input_signature=[spec])
    kwargs = {"size": SIZE, "thing_category": THINGS, "stuff_category": STUFF}
    expected = merge_panoptic(**arrays, **kwargs, stuff_area="connected", min_stuff_area=80)
    for key, value in run(arrays).items():
        np.testing.assert_allclose(value, expected[key], atol=1e-6)
    smaller = arrays | {"semantic": arrays["semantic"][:, :4, :6]}
    assert run(smaller)["panoptic"].shape == (2, 16, 24)


def person_and_tie(**options):
    """A large instance of class 1 with score 0.9, a small one of class 2 with 0.6 inside it, ground of class 4."""
    semantic = np.zeros((1, 8, 12, 5), "float32")
    semantic[..., 4], semantic[..., 1] = 4, 9  # things of class 1 everywhere, ground behind them
    return merge_panoptic(
        np.ones((1, 3, 7, 7), "float32"),
        np.float32([[[4, 4, 28, 40], [10, 18, 22, 24], [0, 0, 32, 48]]]),
        np.int32([[1, 2, 1]]),
        np.float32([[0.9, 0.6, 0.4]]),
        semantic,
        size=SIZE,
        thing_category=THINGS,
        stuff_category=STUFF,
        **{"min_stuff_area": 1, **options},
    )


def test_order_decides_whether_the_tie_is_seen():
    heuristic, ranked = person_and_tie(), person_and_tie(ranking=np.float32([[0.325, 0.878, 0.0]]))
    assert heuristic["panoptic"][0, 16, 20] == 1 and heuristic["segment_classes"][0].numpy().tolist()[:3] == [2, 0, 0]
    assert ranked["panoptic"][0, 16, 20] == 1 and ranked["panoptic"][0, 5, 5] == 2
    assert ranked["segment_classes"][0].numpy().tolist()[:3] == [4, 2, 0]
    assert ranked["segment_detections"][0].numpy().tolist()[:3] == [1, 0, -1]
    assert ranked["segment_areas"][0].numpy().tolist()[:3] == [72, 24 * 36 - 4 - 72, 0]  # but its corners


def test_what_things_leave_is_void_or_stuff():
    assert person_and_tie()["panoptic"][0, 0, 0] == 0
    dropped = person_and_tie(thing_classes="dropped")
    assert dropped["panoptic"][0, 0, 0] == 3 + 3 and dropped["segment_classes"][0, 5] == 5
    assert person_and_tie(thing_classes="dropped", min_stuff_area=32 * 48)["panoptic"][0, 0, 0] == 0
    assert float(dropped["segment_scores"][0, 5]) == pytest.approx(np.exp(4) / (np.exp(4) + 2))


def test_nothing_found_and_no_stuff():
    arrays = scene(0) | {"scores": np.zeros((2, 9), "float32")}
    merged = merge_panoptic(**arrays, size=SIZE, thing_category=(0, 1, 2), stuff_category=(0,) * 5)
    assert not np.any(merged["panoptic"]) and not np.any(merged["segment_classes"])
    dropped = merge_panoptic(
        **arrays, size=SIZE, thing_category=(0, 1, 2), stuff_category=(0,) * 5, thing_classes="dropped"
    )
    assert not np.any(dropped["panoptic"])


def test_what_is_refused():
    for options, message in (
        ({"stuff_area": "largest"}, "stuff_area"),
        ({"thing_classes": "all"}, "thing_classes"),
        ({"implementation": "fast"}, "merge_panoptic"),
        ({"size": (33, 48)}, "fraction"),
    ):
        with pytest.raises(ValueError, match=message):
            merge_panoptic(**scene(0), **{"size": SIZE, "thing_category": THINGS, "stuff_category": STUFF, **options})
