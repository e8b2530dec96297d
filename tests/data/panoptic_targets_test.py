"""Semantic and instance maps: against slow twins, and against images whose colour tells which segment shows."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from panet_tf.data.cropping import crop_sample
from panet_tf.data.detection_data import DetectionData
from panet_tf.data.flipping import flip_left_right, flip_up_down, transpose
from panet_tf.data.panoptic_targets import panoptic_targets
from panet_tf.data.random_crop import RandomCrop
from panet_tf.data.random_flip import RandomFlip
from panet_tf.data.random_rotation import RandomRotation90
from panet_tf.data.raw_samples import checked, to_sample
from panet_tf.ops.semantic_classes import semantic_classes
from tests.data.coins import batches
from tests.data.painted_source import CATEGORIES, STEP, PaintedSource
from tests.listed_source import ListedSource, iou, paste

MEAN, STD = np.array((123.675, 116.28, 103.53)), np.array((58.395, 57.12, 57.375))


def slow_targets(segment_map, shown_size, canvas, labels, slots):
    """Cell by cell, in Python's own whole numbers."""
    height, width = segment_map.shape
    semantic = np.full((canvas[0] // 4, canvas[1] // 4), 255)
    panoptic = np.zeros_like(semantic)
    for i in range(semantic.shape[0]):
        for j in range(semantic.shape[1]):
            y, x = 4 * i + 2, 4 * j + 2
            if y < shown_size[0] and x < shown_size[1]:
                number = segment_map[y * height // shown_size[0], x * width // shown_size[1]]
                semantic[i, j] = labels[number]
                panoptic[i, j] = slots.index(number) + 1 if number and number in slots else 0
    return semantic, panoptic


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=30)
def test_targets_equal_a_slow_twin(seed):
    rng = np.random.default_rng(seed)
    canvas = 32 * rng.integers(1, 4, 2)
    shown = rng.integers(1, canvas + 1)
    count = int(rng.integers(0, 400))  # more than 8 bits hold
    segment_map = rng.integers(0, count + 1, rng.integers(1, 200, 2))
    labels = np.array([255, *rng.integers(0, 256, count)])
    slots = [*rng.permutation(np.arange(1, count + 1))[: rng.integers(0, 6)].tolist(), 0, 0]
    found = panoptic_targets(
        segment_map[..., None].astype(np.uint16),
        tf.constant(shown, tf.int32),
        tf.constant(canvas, tf.int32),
        segment_labels=tf.constant(labels, tf.int32),
        slot_segments=tf.constant(slots, tf.int32),
    )
    semantic, panoptic = slow_targets(segment_map, shown, canvas, labels, slots)
    assert found["semantic"].dtype == found["panoptic"].dtype == tf.int32
    np.testing.assert_array_equal(found["semantic"], semantic)
    np.testing.assert_array_equal(found["panoptic"], panoptic)


def data(source, **arguments):
    plain = {"batch_size": 2, "canvases": ((64, 96),), "short_side": None, "max_instances": 8}
    return DetectionData(source=source, **{"semantic_context": "all", **plain, **arguments})


AUGMENTATIONS = {
    "none": {},
    "flip": {"augment": (RandomFlip(vertical=0.5),)},
    "turn": {"augment": (RandomRotation90(),)},
    "crop": {"augment": (RandomCrop(relative=(0.6, 0.9)),)},
    "few slots": {"max_instances": 2},
    "shrink": {"short_side": 41, "long_side": 60},
    "all": {
        "augment": (RandomCrop(relative=(0.7, 1.0)), RandomFlip(vertical=0.5), RandomRotation90()),
        "scale_jitter": (0.6, 1.6),
        "max_instances": 3,
    },
}


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_targets_follow_what_the_image_shows(name):
    """The image is resized smoothly and the map is not: compared where the colours around a cell's centre are one."""
    arguments = AUGMENTATIONS[name]
    source = PaintedSource(((64, 80), (60, 60)), count=4)
    pipeline = data(source, training=True, canvases=((64, 96), (96, 64)), **arguments)
    of_category = semantic_classes(CATEGORIES).of_category
    compared = instances = 0
    for batch in batches(pipeline, 4):
        for row, identity in enumerate(batch["image_ids"]):
            table = np.concatenate([[0], source.raw[identity]["segments"]["category"]])
            image = np.round(batch["images"][row] * STD + MEAN)[..., 0]
            height, width = batch["image_sizes"][row].astype(int)
            semantic, panoptic = batch["semantic"][row], batch["panoptic"][row]
            assert semantic.shape == panoptic.shape == (image.shape[0] // 4, image.shape[1] // 4)
            for i, j in np.ndindex(semantic.shape):
                y, x = 4 * i + 2, 4 * j + 2
                if y >= height or x >= width:
                    assert semantic[i, j] == 255 and panoptic[i, j] == 0
                    continue
                around = image[y - 2 : min(y + 3, height), x - 2 : min(x + 3, width)]
                if np.ptp(around) == 0:
                    number = int(around[0, 0]) // STEP
                    assert semantic[i, j] == of_category[table[number]]
                    thing = CATEGORIES[table[number] - 1]["isthing"] if number else 0
                    assert thing or panoptic[i, j] == 0
                    compared += 1
            for slot in range(len(batch["classes"][row])):
                label, shown = batch["classes"][row, slot], panoptic == slot + 1
                if label == 0:
                    assert not shown.any()
                    continue
                # All of an instance's cells are of its class, and lie where its mask does.
                assert (semantic[shown] == of_category[(0, 2, 4)[label]]).all()
                pasted = paste(batch["masks"][row, slot], batch["boxes"][row, slot], *image.shape)[2::4, 2::4]
                if pasted.sum() > 8:
                    assert iou(shown, pasted) > 0.6
                    instances += 1
    assert compared > 400 and instances > 5


def test_batches_have_static_shapes_and_padding_images_are_ignored():
    source = PaintedSource(count=3)
    pipeline = data(source, canvases=((64, 96),))
    assert pipeline.panoptic_categories == CATEGORIES and pipeline.categories == source.categories
    spec = pipeline.dataset().element_spec
    assert spec["semantic"].shape == spec["panoptic"].shape == (2, 16, 24)
    last = batches(pipeline)[-1]
    assert last["image_ids"].tolist() == [2, -1]
    assert (last["semantic"][1] == 255).all() and not last["panoptic"][1].any() and last["panoptic"][0].any()
    sequential = data(PaintedSource(count=3, random_access=False))
    for one, other in zip(batches(pipeline), batches(sequential), strict=True):
        np.testing.assert_array_equal(one["panoptic"], other["panoptic"])
    assert "semantic" not in data(source, semantic_context=None).dataset().element_spec


@pytest.mark.parametrize("context", ["stuff_ignore", "stuff_plus_thing"])
def test_contexts_differ_in_their_semantic_classes_only(context):
    source = PaintedSource(count=2)
    whole, other = (batches(data(source, semantic_context=name))[0] for name in ("all", context))
    np.testing.assert_array_equal(whole["panoptic"], other["panoptic"])
    expected = {"stuff_ignore": [0, 255, 1, 255], "stuff_plus_thing": [1, 0, 2, 0]}[context]
    relabelled = np.array([*expected, *[255] * 252])[whole["semantic"]]
    np.testing.assert_array_equal(other["semantic"], relabelled)


@pytest.mark.parametrize("flip", [flip_left_right, flip_up_down, transpose])
def test_two_mirrors_are_none_and_one_moves_the_map_with_the_image(flip):
    sample = to_sample(checked(PaintedSource(((40, 56),)).raw[0], panoptic=True))
    once, twice = flip(sample), flip(flip(sample))
    np.testing.assert_array_equal(once["panoptic"] * STEP, once["image"][..., :1])
    np.testing.assert_array_equal(twice["panoptic"], sample["panoptic"])
    np.testing.assert_array_equal(once["segments"], sample["segments"])


def test_a_crop_cuts_the_map_and_keeps_numbers_with_their_instances():
    sample = to_sample(checked(PaintedSource(((60, 80),), coins=6).raw[0], panoptic=True))
    cropped = crop_sample(sample, np.array([10, 20, 30, 40], np.int32))
    np.testing.assert_array_equal(cropped["panoptic"] * STEP, cropped["image"][..., :1])
    assert 0 < len(cropped["segments"]) < len(sample["segments"])
    for number, box in zip(cropped["segments"].numpy(), cropped["boxes"].numpy()):
        rows, columns = np.nonzero(cropped["panoptic"][..., 0].numpy() == number)
        np.testing.assert_allclose(box, [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1], atol=1.5)


def test_maps_need_a_source_that_has_them():
    source = ListedSource([np.zeros((32, 32, 3), np.uint8)], [[]])
    with pytest.raises(ValueError, match="needs a source of panoptic data"):
        data(source)
    with pytest.raises(ValueError, match="context must be one of"):
        data(PaintedSource(), semantic_context="things")
