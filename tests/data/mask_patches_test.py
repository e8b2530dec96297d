"""Patches: where they are cut, which there are, in what order, and what is left out."""

import collections
import math

import numpy as np
import pytest
import tensorflow as tf

from panet_tf.data.detection_data import DetectionData
from panet_tf.data.mask_grids import unpack_masks
from panet_tf.data.mask_patches import MaskPatches, patches_of
from panet_tf.data.occluded_shapes_source import OccludedShapesSource
from panet_tf.models.proposal_windows import proposal_scales
from tests.listed_source import ListedSource, coin_image
from tests.ops.resampling_test import slow_resample

SMALL = {"input_size": 32, "context": 8, "mask_size": 32, "mean": (0, 0, 0), "std": (1, 1, 1), "min_area": 20.0}


class Coins(ListedSource):
    """`ListedSource` whose objects have ids, 10 * image + place."""

    def __init__(self, coins, size=(60, 80), **kwargs):
        drawn = [coin_image(*size, of_image) for of_image in coins]
        super().__init__([image for image, _ in drawn], [masks for _, masks in drawn], **kwargs)
        for number, raw in enumerate(self.raw):
            raw["objects"]["id"] = 10 * number + np.arange(len(raw["objects"]["class"]), dtype=np.int64)

    def coco_ground_truth(self):
        images = [{"id": i, "height": 60, "width": 80} for i in range(self.num_examples)]
        annotations = []
        for i, raw in enumerate(self.raw):
            objects = raw["objects"]
            for number, (top, left, bottom, right) in zip(objects["id"].tolist(), objects["box"].tolist()):
                place = number % 10
                side = (right - left, bottom - top)
                annotations.append({
                    "id": number, "image_id": i, "category_id": int(objects["class"][place]),
                    "iscrowd": int(objects["is_crowd"][place]), "area": 0.78 * side[0] * side[1],
                    "bbox": [left, top, *side],
                })  # fmt: skip
        return {"images": images, "annotations": annotations, "categories": self.categories}


def first(data, count=1, step=0):
    batches = list(data.dataset(step=step).take(count).as_numpy_iterator())
    return batches[0] if count == 1 else batches


def test_a_patch_shows_its_object_in_the_middle_at_its_size():
    """Without jitter: a disc of any size has 18.3 of 32 pixels (128 / 224, rounded up: 19), mask and picture agree."""
    source = Coins([[(30.0, 40.0, 10.0)], [(20.0, 25.5, 17.0)], [(5.0, 74.0, 4.5)]])
    for training in (False, True):
        data = MaskPatches(source=source, batch_size=30, heads="joint", negative_share=0.0, scale_jitter=0.0,
                           shift_jitter=0.0, training=training, **SMALL)  # fmt: skip
        assert data.object_size == 19
        if not training:
            data.source, data.batch_size = source, 3
        batch = first(data)
        for image, mask, number in zip(batch["images"], batch["patch_masks"], batch["image_ids"]):
            assert image.shape == (48, 48, 3) and mask.shape == (32, 32)
            top, left, bottom, right = source.raw[number]["objects"]["box"][0]
            side = max(bottom - top, right - left) / 19  # pixels of the image to one of the patch
            # The definition, at every cell's centre.
            places = (np.arange(32) + 0.5 - 16) * side
            rows, columns = (top + bottom) / 2 + places, (left + right) / 2 + places
            cy, cx, radius = {0: (30, 40, 10), 1: (20, 25.5, 17), 2: (5, 74, 4.5)}[int(number)]
            inside = (rows[:, None] >= 0) & (columns >= 0) & (columns < 80)
            wanted = (np.hypot(rows[:, None] - cy, columns - cx) < radius) & inside
            seen = image[8:-8, 8:-8, 0] > 127.6
            flips = (slice(None), slice(None, None, -1)) if training else (slice(None),)
            # A coin of 9 pixels has corners of two cells each, 40 of 1,024 around it; a cell of shift would be 60.
            assert min((mask != wanted[:, flip]).mean() for flip in flips) < 0.045
            # A pixel of the smallest coin is 2.4 cells, and its steps are rounded in the picture, not in the mask: they
            # differ by 60 cells, alike on all sides. A shift by one cell either way makes it more.
            differences = {
                (y, x): (np.roll(seen, (y, x), (0, 1)) != mask).mean() for y in (-1, 0, 1) for x in (-1, 0, 1)
            }
            assert differences[0, 0] < 0.065
            assert min(differences[shift] for shift in ((1, 0), (-1, 0), (0, 1), (0, -1))) > differences[0, 0]
        outside = batch["images"][batch["image_ids"] == 2]
        if len(outside):  # close to a corner: what lies beyond is grey
            assert (outside == 127.5).all(-1).mean() > 0.3


def test_jitter_stays_within_its_bounds():
    source = Coins([[(30.0, 40.0, 10.0)]])
    data = MaskPatches(source=source, batch_size=200, heads="joint", negative_share=0.0, **SMALL)
    masks = first(data)["patch_masks"].astype(bool)
    sides = np.sqrt(masks.sum((1, 2)) * 4 / np.pi)
    assert 19 * 2**-0.25 - 1 < sides.min() < 17 and 21 < sides.max() < 19 * 2**0.25 + 1
    centres = np.stack([np.mean(np.argwhere(mask) + 0.5, axis=0) - 16 for mask in masks])
    assert 2.5 < centres.max() < 3.7 and -3.7 < centres.min() < -2.5  # a tenth of 32 pixels
    assert np.abs(centres.mean(axis=0)).max() < 0.5


def slow_away(boxes, size, noise):
    """Centre and octave of the first place tried that is far from every object of similar size, or `None`."""
    for y, x, scale in np.float64(noise):
        centre, octave = np.array([y * size[0], x * size[1]]), -2 + 5 * scale
        near = False
        for top, left, bottom, right in boxes:
            apart = abs(math.log2(max(bottom - top, right - left) / 19) - octave)
            distance = math.hypot(centre[0] - (top + bottom) / 2, centre[1] - (left + right) / 2) / 2**octave
            near |= apart <= 2.5 and distance <= 9.6  # three times a tenth of 32
        if not near:
            return centre, octave
    return None


def slow_patch(data, number, positive, exact):
    """Picture and mask of a patch by the definition, from the same random numbers; `None` where no place was free."""
    number = tf.constant(number, tf.int64)
    noise = np.float64(data._noise(20, number, (8,)))
    usable = collections.defaultdict(list)  # by category
    for annotation in data.source.coco_ground_truth()["annotations"]:
        if not annotation["iscrowd"] and annotation["area"] >= 20 and min(annotation["bbox"][2:]) >= 5:
            usable[annotation["category_id"]].append((annotation["image_id"], annotation["id"] % 10))
    if exact and positive:
        with_objects = sorted({annotation["image_id"] for annotation in data.source.coco_ground_truth()["annotations"]})
        image = with_objects[int(noise[2] * len(with_objects))]
        of_size = collections.defaultdict(list)  # crowds and small objects too
        for slot, (top, left, bottom, right) in enumerate(np.float64(data.source.raw[image]["objects"]["box"])):
            of_size[math.ceil(4 * math.log2(max(bottom - top, right - left) / 19)) - 1].append(slot)
        size = list(of_size)[int(noise[0] * len(of_size))]
        slot = of_size[size][int(noise[1] * len(of_size[size]))]
    elif positive:
        of_category = sorted(usable[sorted(usable)[int(noise[0] * len(usable))]])
        image, slot = of_category[int(noise[1] * len(of_category))]
    else:
        image, slot = int(noise[2] * data.source.num_examples), None
    raw = data.source.raw[image]
    boxes = np.float64(raw["objects"]["box"])
    if positive:
        top, left, bottom, right = boxes[slot]
        centre, octave = np.array([top + bottom, left + right]) / 2, math.log2(max(bottom - top, right - left) / 19)
        if exact:
            octave = max(size / 4, math.log2(10 / 48))  # at least 10 pixels of the image
        else:
            octave += 0.25 * (2 * noise[3] - 1)
            centre += 3.2 * (2 * noise[4:6] - 1) * 2**octave
    else:
        found = slow_away(boxes, raw["image"].shape[:2], data._noise(22, number, (64, 3)))
        if found is None:
            return None
        centre, octave = found
    step = 2**octave
    picture = slow_resample(raw["image"].astype("float64"), centre - 24 * step, step, (48, 48), np.full(3, 127.5))
    mask = np.zeros((32, 32))
    for i in range(32 if positive else 0):
        for j in range(32):
            y, x = centre + (np.array([i, j]) + 0.5 - 16) * step
            if top <= y <= bottom and left <= x <= right:
                grid = np.float64(unpack_masks(raw["objects"]["mask"][slot][None])[0])
                mask[i, j] = bilinear(grid, (y - top) / (bottom - top) * 112, (x - left) / (right - left) * 112)
    if noise[7] < 0.5:
        picture, mask = picture[:, ::-1], mask[:, ::-1]
    return picture, mask


def bilinear(grid, y, x):
    """A grid's value at a place, its cells' centres at halves."""
    value = 0.0
    for i in (math.floor(y - 0.5), math.floor(y - 0.5) + 1):
        for j in (math.floor(x - 0.5), math.floor(x - 0.5) + 1):
            weight = (1 - abs(y - 0.5 - i)) * (1 - abs(x - 0.5 - j))
            value += weight * grid[min(max(i, 0), 111), min(max(j, 0), 111)]
    return value


@pytest.mark.parametrize("heads, share", [("joint", 0.5), ("alternate", 0.0), ("alternate", 1.0)])
def test_every_patch_is_what_loops_give_whatever_the_batches(heads, share):
    """Drawing, jitter or rounded size, places of negatives, picture, mask and mirror: all from the definition."""
    coins = [[(18.3, 20.0, 12.0), (40.0, 60.0, 9.5)], [(30.0, 40.0, 25.0), (8.0, 70.0, 6.0)], [(50.0, 12.0, 4.0)]]
    source = Coins(coins, classes=[[1, 2], [1, 2], [1]], crowds=[[False, False], [False, True], [False]])
    rng = np.random.default_rng(0)
    for raw in source.raw:
        raw["image"] = rng.integers(0, 256, raw["image"].shape, "uint8")  # where a patch is cut, to the pixel
    data = MaskPatches(source=source, batch_size=6, heads=heads, score_share=share, seed=5, **SMALL)
    batch = first(data)
    halves = first(MaskPatches(source=source, batch_size=2, heads=heads, score_share=share, seed=5, **SMALL), count=3)
    for key, value in batch.items():
        np.testing.assert_array_equal(value, np.concatenate([half[key] for half in halves]))
    for k in range(6):
        positive = share == 0.0 or k % 2 == 0
        picture, mask = slow_patch(data, k, positive, exact=share == 1.0)
        assert batch["score_labels"][k] == positive and batch["patch_masks"][k].any() == positive
        assert batch["mask_weights"][k] == (positive and share < 1.0) and batch["score_weights"][k] == (share > 0.0)
        # float32: a few millionths of 60 pixels are a few thousandths of 255 grey values.
        np.testing.assert_allclose(batch["images"][k], picture, atol=0.005)
        clear = abs(mask - 0.5) > 1e-3
        assert clear.mean() > 0.99
        np.testing.assert_array_equal(batch["patch_masks"][k][clear], (mask >= 0.5)[clear])


def test_scores_see_every_size_of_every_image():
    """By image, then by size: not by category, and neither crowds nor small objects are left out."""
    coins = [[(30.0, 40.0, 20.0)] + [(9.0, 9.0 + 12 * i, 4.0) for i in range(5)], [(30.0, 40.0, 1.0)], []]
    source = Coins(coins, classes=[[1, 2, 2, 2, 2, 2], [3], []], crowds=[[True] + [False] * 5, [False], []])
    for raw in source.raw[:2]:
        raw["image"][16:] //= 2  # the crowd is darker
    data = MaskPatches(source=source, batch_size=200, score_share=1.0, negative_share=0.0, **SMALL)
    assert data.objects.images.tolist() == [0, 1] and data.num_examples == 5
    batch = first(data)
    assert batch["score_weights"].all() and batch["score_labels"].all() and not batch["mask_weights"].any()
    seen = batch["image_ids"] == 0
    assert 75 < seen.sum() < 125
    middle = batch["images"][seen, 24, 24, 0]  # of the crowd, alone of its size, or of one of five small ones
    assert 0.3 < np.mean(middle < middle.max() * 0.75) < 0.7


def test_windows_that_are_scored_are_among_the_negative_ones():
    """Else the coarsest scale would be asked about windows of a size that no negative patch had."""
    data = MaskPatches(source=Coins([[(30.0, 40.0, 10.0)]]), batch_size=2)
    low, high = data.negative_scales
    assert 2.0**low <= 1 / max(proposal_scales()) and 1 / min(proposal_scales()) <= 2.0**high


def test_validation_is_without_jitter_and_mirror():
    source = Coins([[(30.0, 40.0, 10.0)]] * 4)
    batch = first(MaskPatches(source=source, batch_size=4, heads="joint", negative_share=0.0, training=False, **SMALL))
    for key in ("images", "patch_masks"):
        np.testing.assert_array_equal(batch[key], batch[key][:1].repeat(4, axis=0))


def test_negative_patches_keep_away_from_objects_of_their_size():
    coins = [[(15.0, 15.0, 10.0), (45.0, 60.0, 6.0)], [(30.0, 40.0, 25.0)]]
    source = Coins(coins)
    data = MaskPatches(source=source, batch_size=8, heads="joint", negative_share=1.0, **SMALL)
    rng, found = np.random.default_rng(0), 0
    for _ in range(30):
        noise = rng.random((5, 3)).astype("float32")
        boxes = source.raw[0]["objects"]["box"]
        centre, octave, free = map(
            np.asarray, data._away(tf.constant(boxes), tf.constant([60.0, 80.0]), tf.constant(noise))
        )
        wanted = slow_away(boxes, (60, 80), noise)
        assert bool(free) == (wanted is not None)
        if wanted is not None:
            np.testing.assert_allclose(centre, wanted[0], rtol=1e-5)
            np.testing.assert_allclose(octave, wanted[1], atol=1e-4)
            found += 1
    assert found > 20
    batch = first(data)
    assert not batch["patch_masks"].any() and not batch["score_labels"].any() and not batch["mask_weights"].any()


@pytest.mark.parametrize("heads", ["joint", "alternate"])
def test_roles_and_order(heads):
    """Who trains what; the same patches from any step on, and others with another seed."""
    source = OccludedShapesSource(num_examples=6, image_size=(64, 64), seed=1)
    data = MaskPatches(source=source, batch_size=8, heads=heads, seed=3, **SMALL)
    batches = first(data, count=12)
    kinds = collections.Counter()
    for batch in batches:
        masks, scores, labels = batch["mask_weights"], batch["score_weights"], batch["score_labels"]
        if heads == "joint":
            assert labels.tolist() == [1, 0] * 4 and scores.all() and (masks == labels).all()
        elif masks.any():
            kinds["mask"] += 1
            assert masks.all() and labels.all() and not scores.any()
        else:
            kinds["score"] += 1
            assert scores.all() and labels.tolist() == [1, 0] * 4
        assert (batch["patch_masks"].any((1, 2)) == (labels > 0)).all()
        assert np.isfinite(batch["images"]).all()
    assert heads == "joint" or min(kinds["mask"], kinds["score"]) >= 2
    for key, value in first(data, step=7).items():
        np.testing.assert_array_equal(value, batches[7][key])
    other = first(MaskPatches(source=source, batch_size=8, heads=heads, seed=4, **SMALL))
    assert not np.array_equal(other["images"], batches[0]["images"])
    shown = DetectionData(source=source, batch_size=8, canvases=((64, 64),), training=True, mean=(0, 0, 0),
                          std=(1, 1, 1), seed=3)  # fmt: skip
    settings = {key: value for key, value in SMALL.items() if key not in ("mean", "std")}
    for key, value in first(patches_of(shown, heads=heads, **settings)).items():
        np.testing.assert_array_equal(value, batches[0][key])


def test_categories_are_drawn_alike_and_what_cannot_be_used_is_counted():
    coins = [[(20.0, 20.0, 8.0), (40.0, 60.0, 9.0), (10.0, 60.0, 8.0)]] * 3 + [[(30.0, 40.0, 10.0), (5, 5, 2.0)]] + [[]]
    source = Coins(
        coins, classes=[[1, 1, 1]] * 3 + [[2, 1], []], crowds=[[False, False, True]] * 3 + [[False] * 2, []],
        ids=[0, 1, 2, 3, -1],
    )  # fmt: skip
    data = MaskPatches(source=source, batch_size=200, heads="joint", negative_share=0.0, **SMALL)
    assert data.objects.rejected == {"crowd": 3, "small": 1, "thin": 0, "incomplete": 0} and data.num_examples == 7
    ids = first(data)["image_ids"]
    assert 70 < (ids == 3).sum() < 130  # one of two categories, though one of seven objects
    # The last image cannot be read: patches of it have no weight, and are counted.
    data = MaskPatches(source=source, batch_size=40, heads="joint", negative_share=1.0, **SMALL)
    batch = first(data)
    unread = batch["image_ids"] == -1
    assert unread.any() and not batch["score_weights"][unread].any() and data.unusable_patches >= unread.sum()
    assert (batch["images"][unread] == 127.5).all()
    for arguments, message in (
        ({"heads": "both"}, "heads must"),
        ({"score_share": 1.5}, "score_share must"),
        ({"batch_size": 0}, "batch_size must"),
        ({"min_side": 100.0}, "at least one usable object"),
        ({"source": ListedSource([np.zeros((9, 9, 3), "uint8")], [[]], random_access=False)}, "random places"),
    ):
        with pytest.raises(ValueError, match=message):
            MaskPatches(**{"source": source, "batch_size": 2, **SMALL, **arguments})
