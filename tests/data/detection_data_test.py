import logging

import gin
import numpy as np
import pytest

from panet_tf.data.random_crop import RandomCrop
from panet_tf.data.random_flip import RandomFlip
from panet_tf.data.random_rotation import RandomRotation90
from tests.data.coins import EVERYTHING, assert_equal_batches, batches, coin_source, make
from tests.listed_source import ListedSource, coin_image, iou, paste, tight_box

MEAN, STD = np.array((123.675, 116.28, 103.53), np.float32), np.array((58.395, 57.12, 57.375), np.float32)
KEYS = {
    "images": (np.float32, (None, None, 3)),
    "image_sizes": (np.float32, (2,)),
    "original_sizes": (np.float32, (2,)),
    "scales": (np.float32, (2,)),
    "offsets": (np.float32, (2,)),
    "image_ids": (np.int64, ()),
    "boxes": (np.float32, (4, 4)),
    "classes": (np.int32, (4,)),
    "is_crowd": (np.bool_, (4,)),
    "masks": (np.uint8, (4, 112, 112)),
}


def shown_mask(batch, row):
    """The coin as the image of a batch shows it: brighter than grey, where there is an image."""
    image = batch["images"][row] * STD + MEAN
    height, width = batch["image_sizes"][row].astype(int)
    mask = np.zeros(image.shape[:2], bool)
    mask[:height, :width] = image[:height, :width].mean(-1) > 127.5
    return mask


def test_without_resizing_everything_arrives_as_it_was():
    source = coin_source(((64, 64), (40, 50)), count=4, coins=2)
    data = make(source)
    for batch_number, batch in enumerate(batches(data)):
        assert batch.keys() == KEYS.keys()
        for key, (dtype, shape) in KEYS.items():
            assert batch[key].dtype == dtype and batch[key].shape[0] == 2
            assert all(want in (None, got) for want, got in zip(shape, batch[key].shape[1:]))
        for row in range(2):
            raw = source.raw[2 * batch_number + row]
            height, width = raw["image"].shape[:2]
            np.testing.assert_allclose(
                batch["images"][row, :height, :width], (raw["image"] - MEAN) / STD, rtol=1e-5, atol=1e-6
            )
            assert not batch["images"][row, height:].any() and not batch["images"][row, :, width:].any()
            np.testing.assert_array_equal(batch["boxes"][row], [*raw["objects"]["box"], [0] * 4, [0] * 4])
            np.testing.assert_array_equal(np.packbits(batch["masks"][row, :2], -1), raw["objects"]["mask"])
            np.testing.assert_array_equal(batch["classes"][row], [1, 1, 0, 0])
            np.testing.assert_array_equal(batch["image_sizes"][row], (height, width))
            np.testing.assert_array_equal(batch["original_sizes"][row], (height, width))
            np.testing.assert_array_equal(batch["scales"][row], (1, 1))
            np.testing.assert_array_equal(batch["offsets"][row], (0, 0))


def test_one_canvas_has_a_static_shape():
    assert make(coin_source()).dataset().element_spec["images"].shape == (2, 64, 64, 3)
    several = make(coin_source(), canvases=((64, 64), (64, 96))).dataset()
    assert several.element_spec["images"].shape.as_list() == [2, None, None, 3]
    assert several.element_spec["masks"].shape == (2, 4, 112, 112)


AUGMENTATIONS = {
    "none": {},
    "flip": {"augment": (RandomFlip(vertical=0.5),)},
    "turn": {"augment": (RandomRotation90(),)},
    "crop": {"augment": (RandomCrop(relative=(0.6, 0.9)),)},
    "jitter": {"scale_jitter": (0.5, 2.0)},
    "shrink": {"short_side": 50, "long_side": 60, "antialias": True},
    "all": {
        "augment": (RandomCrop(relative=(0.7, 1.0)), RandomFlip(vertical=0.5), RandomRotation90()),
        "scale_jitter": (0.6, 1.6),
        "short_side": (80, 112),
    },
}


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_masks_lie_where_the_image_shows_their_coins(name):
    source = coin_source(((96, 128), (128, 96), (110, 110)), count=6)
    data = make(source, batch_size=3, canvases=((96, 128), (128, 96), (128, 128)), training=True, **AUGMENTATIONS[name])
    seen = 0
    for batch in batches(data, 8):
        for row in range(3):
            truth = shown_mask(batch, row)
            if batch["classes"][row, 0] == 0:
                assert truth.sum() < 0.15 * np.pi * 22**2 * 1.6**2 * 1.5  # hardly shows, or not at all
                continue
            box = batch["boxes"][row, 0]
            np.testing.assert_allclose(box, tight_box(truth), atol=1.5)
            # Interpolation moves the outline by up to half a pixel, which small or cut coins feel.
            assert iou(paste(batch["masks"][row, 0], box, *truth.shape), truth) > 1 - 4 / np.sqrt(truth.sum())
            seen += truth.sum() > 60
    assert seen >= 10


def test_a_whole_mask_pasted_back_is_the_mask():
    source = coin_source(((256, 256),), count=4, coins=3)
    for batch in batches(make(source, canvases=((256, 256),))):
        for row, identity in enumerate(batch["image_ids"]):
            for slot in range(3):
                grid, box = batch["masks"][row, slot], batch["boxes"][row, slot]
                raw = source.raw[identity]["objects"]
                expected = paste(np.unpackbits(raw["mask"][slot], axis=-1), raw["box"][slot], 256, 256)
                assert iou(paste(grid, box, 256, 256), expected) > 0.97


def test_cut_images_map_back_to_the_original_through_scale_and_offset():
    source = coin_source(((96, 128),), count=4)
    data = make(source, canvases=((96, 128),), training=True, scale_jitter=(1.2, 2.0), min_visible=1.0)
    mapped = 0
    for batch in batches(data, 10):
        for row, identity in enumerate(batch["image_ids"]):
            if batch["classes"][row, 0]:
                back = batch["boxes"][row, 0] / np.tile(batch["scales"][row], 2) + np.tile(batch["offsets"][row], 2)
                np.testing.assert_allclose(back, source.raw[identity]["objects"]["box"][0], atol=1e-3)
                mapped += batch["offsets"][row].any()
    assert mapped >= 3


@pytest.mark.parametrize(
    ("size", "arguments", "canvas", "image_size"),
    [
        ((48, 64), {"short_side": 64, "long_side": 96}, (64, 96), (64, 85)),
        ((64, 48), {"short_side": 64, "long_side": 96}, (96, 64), (85, 64)),
        ((30, 90), {"short_side": 64, "long_side": 96}, (64, 96), (32, 96)),
        ((200, 200), {"short_side": None}, (64, 96), (64, 64)),
    ],
)
def test_resizing_and_canvas(size, arguments, canvas, image_size):
    data = make(coin_source((size,), 2), canvases=((64, 96), (96, 64)), **arguments)
    (batch,) = batches(data)
    assert batch["images"].shape == (2, *canvas, 3)
    np.testing.assert_array_equal(batch["image_sizes"][0], image_size)
    np.testing.assert_array_equal(batch["original_sizes"][0], size)
    np.testing.assert_allclose(batch["scales"][0], np.array(image_size) / size, rtol=1e-6)


def test_multi_scale_draws_every_side_and_puts_it_on_its_canvas():
    source = coin_source(((48, 64),), 6)
    data = make(
        source, canvases=((64, 96), (96, 128)), short_side=(48, 60, 72, 96), long_side=128, training=True, batch_size=1
    )
    sides = [(int(b["image_sizes"][0].min()), b["images"].shape[1]) for b in batches(data, 60)]
    assert set(sides) == {(48, 64), (60, 64), (72, 96), (96, 96)}
    ranged = make(
        source, canvases=((96, 128),), short_side=(48, 60), short_side_sampling="range", training=True, batch_size=1
    )
    sides = {int(b["image_sizes"][0].min()) for b in batches(ranged, 150)}
    assert sides == set(range(48, 61))


def test_images_without_annotations():
    image, masks = coin_image(64, 64, [(30, 30, 10)])
    source = ListedSource([image, image, image], [[], masks, masks], crowds=[[], [False], [True]])
    (batch, rest) = batches(make(source))
    assert batch["classes"].tolist() == [[0] * 4, [1, 0, 0, 0]] and rest["is_crowd"][0, 0]
    for random_access in (True, False):
        chosen = ListedSource(
            [image, image, image], [[], masks, masks], crowds=[[], [False], [True]], random_access=random_access
        )
        found = batches(make(chosen, drop_empty=True))
        assert np.concatenate([batch["image_ids"] for batch in found]).tolist() == [1, -1]
    trained = batches(make(source, **{**EVERYTHING, "training": True}), 4)
    assert all(np.isfinite(value).all() for batch in trained for value in batch.values())
    with pytest.raises(ValueError, match="at least one image with annotations, received none of 1"):
        make(ListedSource([image], [[]]), drop_empty=True)


def test_more_instances_than_slots(caplog):
    image, masks = coin_image(64, 64, [(8 + 10 * i, 8 + 10 * j, 4) for i in range(5) for j in range(5)])
    source = ListedSource([image], [masks], classes=[[1] * 25])
    data = make(source, batch_size=1, training=True, max_instances=6)
    with caplog.at_level(logging.WARNING):
        found = batches(data, 30)
    boxes = {tuple(box) for batch in found for box in batch["boxes"][0]}
    assert len(boxes) == 25  # every instance has its turn
    assert all((batch["classes"] == 1).all() for batch in found)
    assert_equal_batches(found, batches(data, 30))
    assert data.dropped_instances >= 19 * 60
    assert len([record for record in caplog.records if "max_instances=6" in record.message]) == 1


def test_boxes_without_area_and_not_finite_take_no_slot():
    image, (mask,) = coin_image(64, 64, [(30, 30, 10)])
    pairs = [((5, 5, 5, 9), mask), (tight_box(mask), mask)]
    source = ListedSource([image], [pairs], classes=[[1, 2]])
    source.raw[0]["objects"]["box"] = np.concatenate(
        [source.raw[0]["objects"]["box"], np.full((1, 4), np.nan, np.float32)]
    )
    source.raw[0]["objects"] = {
        key: value if key == "box" else np.concatenate([value, value[-1:]])
        for key, value in source.raw[0]["objects"].items()
    }
    (batch,) = batches(make(source, batch_size=1))
    assert batch["classes"].tolist() == [[2, 0, 0, 0]]
    np.testing.assert_array_equal(batch["boxes"][0, 0], tight_box(mask))


def test_an_image_that_cannot_be_read_becomes_padding():
    image, masks = coin_image(64, 64, [(30, 30, 10)])
    source = ListedSource([image, np.zeros((0, 0, 3), np.uint8)], [masks, []], ids=[7, -1])
    source.image_sizes[1] = (64, 64)
    (batch,) = batches(make(source))
    assert batch["image_ids"].tolist() == [7, -1]
    assert np.isfinite(batch["images"]).all() and not batch["images"][1].any()


def test_keypoints_travel_along():
    image, masks = coin_image(32, 48, [(10, 20, 6), (20, 30, 6)])
    points = np.array([[[10.5, 20.5, 2], [0, 0, 0]], [[20.5, 30.5, 1], [19, 29, 2]]])
    source = ListedSource([image], [masks], keypoints=[points])
    (batch,) = batches(make(source, short_side=64, long_side=96, canvases=((64, 96),)))
    np.testing.assert_allclose(batch["keypoints"][0, :2], points * (2, 2, 1), rtol=1e-6)
    assert batch["keypoints"].shape == (2, 4, 2, 3) and not batch["keypoints"][1].any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"canvases": ((60, 64),)}, r"multiples of 32 \(the stride of level 5\), received \(60, 64\)"),
        ({"canvases": ()}, "tuple of"),
        ({"batch_size": 0}, "at least 1"),
        ({"max_instances": 0}, "at least 1"),
        ({"augment": (RandomFlip(),)}, "need `training=True`"),
        ({"short_side": (48, 64)}, "need `training=True`"),
        ({"scale_jitter": (0.5, 2.0)}, "need `training=True`"),
        ({"scale_jitter": (2.0, 0.5), "training": True}, "range of positive factors"),
        ({"short_side": 0}, "positive"),
        ({"short_side": (), "training": True}, "positive"),
        ({"short_side": (1, 2, 3), "short_side_sampling": "range", "training": True}, "least and a greatest"),
        ({"short_side_sampling": "often"}, "choice"),
        ({"std": (1, 0, 1)}, "`std` must be positive"),
        ({"seed": -1}, "`seed`"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(coin_source(), **arguments)


def test_gin_fills_the_constructor():
    gin.parse_config(
        "DetectionData.batch_size = 3\nDetectionData.augment = (@RandomFlip(),)\nRandomFlip.vertical = 0.5"
    )
    configured = gin.get_configurable("DetectionData")
    data = configured(source=coin_source(), training=True)
    assert data.batch_size == 3 and data.augment[0].vertical == 0.5
