"""Square patches around objects, for networks that slide over an image: DeepMask's and SharpMask's training data."""

import logging
import math

import gin
import numpy as np
import tensorflow as tf

from panet_tf.data.host_calls import host_call
from panet_tf.data.mask_grids import unpack_masks
from panet_tf.data.patch_objects import PatchObjects
from panet_tf.data.preprocessing import Preprocessing
from panet_tf.data.raw_samples import checked
from panet_tf.ops.masks import mask_targets
from panet_tf.ops.resampling import resample

GREY = (127.5, 127.5, 127.5)
CANDIDATES = 64  # places tried for a negative patch
SHOWN_PIXELS = 10.0  # of an image, at least, in a patch that trains the score
HEADS = ("alternate", "joint")
PREFETCHED_BATCHES = 2


@gin.register(module="panet_tf")
class MaskPatches:
    """Patches with an object in their middle, at one size, and patches without (Lin's thesis, section 3.3.3).

    In a **canonical** patch the longer side of the object's box has `object_size` pixels of a window of `input_size`,
    around which the network sees `context` pixels more. A positive patch is drawn by category (all alike), then by
    object; place and size are jittered, half are mirrored. A negative one has a random place and size in a random
    image, far from every object of similar size. What lies outside of an image is grey.

    **Heads.** `"alternate"`, as released: a batch trains the masks with such positive patches alone, or the scores,
    half with negative patches, half with objects drawn by image, then by size, whatever their category: centred, and
    the size rounded down to `score_scale_step` octaves. `"joint"`, as in the papers' text: positive and negative
    patches in one batch, the positive ones train both.

    **Order.** Each patch is a function of (seed, its number in the run), whatever the workers do; `dataset(step=k)`
    continues as an uninterrupted run would.

    Objects that are crowds, smaller than `min_area` or thinner than `min_side` train no masks (`objects.rejected`
    counts them); alternate batches show them to the scores, as released. A patch whose image cannot be read, or for
    which no empty place was found, keeps its slot with weight 0; that is counted (`unusable_patches`).

    Args:
        source: a source that reads at random places, as `DetectionData` takes; its objects need `id`.
        batch_size: int, patches of a global batch.
        input_size: int W. Defaults to 160.
        context: int, pixels on each side. Defaults to 16.
        mask_size: int, cells a side of the mask over the window. Defaults to 112; SharpMask takes 160.
        object_size: int. Defaults to ceil(input_size * 128 / 224): 92 of 160.
        heads: `"alternate"` or `"joint"`. Defaults to `"alternate"`.
        score_share: float, share of alternate batches that train the scores. Defaults to 0.5; 0 for SharpMask.
        negative_share: float, share of negative patches where scores are trained. Defaults to 0.5.
        scale_jitter: float, octaves either way. Defaults to 0.25.
        shift_jitter: float, canonical pixels either way. Defaults to 0.1 * input_size: 16 of 160.
        score_scale_step: float, octaves; 0: exact sizes, an image's objects drawn all alike. Defaults to 0.25.
        negative_scales: (low, high), log2 of a window's side over `input_size`. Defaults to (-2, 3): windows of 40 to
            1280 pixels of the image for 160.
        negative_distance: float, canonical pixels (of the patch) that a negative patch's centre keeps from an object's
            whose size is within `negative_octaves`. Defaults to three times 0.1 * input_size: 48 of 160.
        negative_octaves: float. Defaults to 2.5.
        min_area, min_side: float, pixels. Default to 100 and 5.
        flip: bool. Defaults to True.
        training: bool; False for validation losses: no jitter, no mirror, and an end, after as many patches as there
            are objects. Defaults to True.
        mean, std: three numbers each, of R, G, B in 0..255. Default to ImageNet's.
        preprocessing: `Preprocessing` of whole images that a trained model carries. Defaults to images that keep their
            size, up to 640 pixels.
        seed: int. Defaults to 0.

    Raises:
        ValueError: for a source without random access, without a usable object, or an unknown choice of heads.

    Example:
        >>> data = MaskPatches(source=OccludedShapesSource(), batch_size=32)
        >>> model.fit(data.dataset(), steps_per_epoch=1000)

    Source: DeepMask (Pinheiro et al., 2015), section 3.3; facebookresearch/deepmask, `DataSampler.lua`.
    """

    def __init__(
        self,
        *,
        source,
        batch_size,
        input_size=160,
        context=16,
        mask_size=112,
        object_size=None,
        heads="alternate",
        score_share=0.5,
        negative_share=0.5,
        scale_jitter=0.25,
        shift_jitter=None,
        score_scale_step=0.25,
        negative_scales=(-2.0, 3.0),
        negative_distance=None,
        negative_octaves=2.5,
        min_area=100.0,
        min_side=5.0,
        flip=True,
        training=True,
        mean=(123.675, 116.28, 103.53),
        std=(58.395, 57.12, 57.375),
        preprocessing=None,
        seed=0,
    ):
        if not hasattr(source, "sample"):
            raise ValueError(f"patches need a source that reads at random places, received {type(source).__name__}.")
        if heads not in HEADS:
            raise ValueError(f"heads must be one of {HEADS}, received {heads!r}.")
        for name, share in (("score_share", score_share), ("negative_share", negative_share)):
            if not 0.0 <= share <= 1.0:
                raise ValueError(f"{name} must be a share between 0 and 1, received {share}.")
        if batch_size < 1 or not 0 <= seed < 2**31:
            raise ValueError(f"batch_size must be at least 1 and seed in 0..2^31, received {batch_size} and {seed}.")
        self.source, self.batch_size, self.training, self.seed = source, int(batch_size), training, int(seed)
        self.input_size, self.context, self.mask_size = int(input_size), int(context), int(mask_size)
        self.object_size = object_size or math.ceil(input_size * 128 / 224)
        self.heads, self.score_share, self.negative_share = heads, score_share, negative_share
        self.scale_jitter = scale_jitter if training else 0.0
        shift = 0.1 * input_size
        self.shift_jitter = (shift if shift_jitter is None else shift_jitter) if training else 0.0
        self.score_scale_step, self.negative_scales = score_scale_step, tuple(negative_scales)
        self.negative_distance = 3.0 * shift if negative_distance is None else negative_distance
        self.negative_octaves, self.flip = negative_octaves, flip and training
        self.mean, self.std = tuple(map(float, mean)), tuple(map(float, std))
        self.preprocessing = preprocessing or Preprocessing(
            canvases=((640, 640),), short_side=None, long_side=640, mean=mean, std=std
        )
        self.objects = PatchObjects(source, min_area=min_area, min_side=min_side)
        self.unusable_patches = 0
        if any(self.objects.rejected.values()):
            logging.info("objects that no patch is made of: %s", self.objects.rejected)

    @property
    def categories(self):
        """The source's categories; the patches know none."""
        return self.source.categories

    @property
    def num_examples(self):
        """Usable objects."""
        return len(self.objects.ids)

    @property
    def steps_per_epoch(self):
        """Batches in which about every object has come once."""
        return max(self.num_examples // self.batch_size, 1)

    def dataset(self, step=0):
        """Batches from a step on.

        Args:
            step: int, batches that a run has already seen. Defaults to 0.

        Returns:
            `tf.data.Dataset` of dicts: `images` float32 (B, P, P, 3), P = input_size + 2 context; `patch_masks` uint8
            (B, mask_size, mask_size), over the window; `mask_weights`, `score_labels`, `score_weights` float32 (B,), 0
            or 1; `image_ids` int64 (B,).
        """
        last = np.iinfo(np.int64).max if self.training else self.steps_per_epoch * self.batch_size
        numbers = tf.data.Dataset.range(step * self.batch_size, last)
        patches = numbers.map(self._example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        batches = patches.batch(self.batch_size, drop_remainder=True).prefetch(PREFETCHED_BATCHES)
        if self.training:
            batches = batches.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
        options = tf.data.Options()
        options.deterministic = True
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
        return batches.with_options(options)

    def _noise(self, purpose, number, shape):
        return tf.random.stateless_uniform(shape, tf.random.fold_in((self.seed, purpose), number))

    def _roles(self, number):
        """Whether a patch trains the mask, whether it trains the score, and whether it has an object."""
        batch, place = number // self.batch_size, tf.cast(number % self.batch_size, tf.float32)
        # Spread over the batch, so that replicas get both kinds.
        negative = tf.floor((place + 1.0) * self.negative_share) > tf.floor(place * self.negative_share)
        if self.heads == "joint":
            return ~negative, tf.constant(True), ~negative
        scores = self._noise(21, batch, ()) < self.score_share
        return ~scores, scores, ~(scores & negative)

    def _example(self, number):
        noise = self._noise(20, number, (8,))
        trains_mask, trains_score, positive = self._roles(number)
        table = self.objects
        category = _pick(noise[0], len(table.starts))
        drawn = tf.gather(table.starts, category) + _pick(noise[1], tf.gather(table.counts, category))
        exact = trains_score & ~trains_mask
        row = tf.where(exact, tf.gather(table.images, _pick(noise[2], len(table.images))), tf.gather(table.rows, drawn))
        raw = self.source.sample(tf.where(positive, row, _pick(noise[2], self.source.num_examples)))
        ids, sample = tf.ensure_shape(tf.cast(raw["objects"]["id"], tf.int64), (None,)), checked(raw)
        matches = exact | (ids == tf.gather(table.ids, drawn))
        readable = (sample["image_id"] >= 0) & (tf.size(sample["image"]) > 0)
        objects = {key: sample["objects"][key] for key in ("box", "mask")}

        def with_object():
            centre, octave, slot = tf.cond(
                exact,
                lambda: self._centred(objects["box"], noise),
                lambda: self._jittered(objects["box"], tf.argmax(matches), noise),
            )
            window = self._window(centre, octave, self.input_size)
            grid = unpack_masks(objects["mask"][slot][None])[None]
            mask = mask_targets(grid, objects["box"][slot][None, None], window[None, None], [[0]], self.mask_size)
            return centre, octave, tf.cast(mask[0, 0], tf.uint8), tf.constant(True)

        def without():
            size = tf.cast(tf.shape(sample["image"])[:2], tf.float32)
            centre, octave, found = self._away(objects["box"], size, self._noise(22, number, (CANDIDATES, 3)))
            return centre, octave, tf.zeros((self.mask_size,) * 2, tf.uint8), found

        def nothing():
            return tf.zeros(2), tf.constant(0.0), tf.zeros((self.mask_size,) * 2, tf.uint8), tf.constant(False)

        usable = readable & (tf.reduce_any(matches) | ~positive)
        centre, octave, mask, usable = tf.cond(usable, lambda: tf.cond(positive, with_object, without), nothing)
        weight = tf.cond(usable, lambda: 1.0, lambda: self._counted(number))
        patch = tf.cond(usable, lambda: self._patch(sample["image"], centre, octave), self._blank)
        if self.flip:
            mirrored = noise[7] < 0.5
            patch, mask = (tf.where(mirrored, x[:, ::-1], x) for x in (patch, mask))
        return {
            "images": (patch - self.mean) / self.std,
            "patch_masks": mask,
            "mask_weights": weight * tf.cast(trains_mask, tf.float32),
            "score_labels": tf.cast(positive, tf.float32),
            "score_weights": weight * tf.cast(trains_score, tf.float32),
            "image_ids": sample["image_id"],
        }

    def _octave(self, boxes):
        """log2 of how much larger than canonical boxes (..., 4) are."""
        side = tf.reduce_max(boxes[..., 2:] - boxes[..., :2], axis=-1)
        return tf.math.log(tf.maximum(side, 1e-3) / self.object_size) / math.log(2.0)

    def _jittered(self, boxes, slot, noise):
        """Centre and octave of a patch somewhere about an object, and the object's slot."""
        octave = self._octave(boxes[slot]) + self.scale_jitter * (2.0 * noise[3] - 1.0)
        shift = self.shift_jitter * (2.0 * noise[4:6] - 1.0) * 2.0**octave
        return _centre(boxes[slot]) + shift, octave, slot

    def _centred(self, boxes, noise):
        """Centre and rounded octave of a patch on an object, and the object's slot: sizes that occur are all alike."""
        octaves, step = self._octave(boxes), self.score_scale_step
        if step:
            octaves = (tf.math.ceil(octaves / step) - 1.0) * step
            sizes, size = tf.unique(octaves)
            slots = tf.where(size == tf.cast(_pick(noise[0], tf.size(sizes)), tf.int32))[:, 0]
        else:
            slots = tf.range(tf.size(octaves, tf.int64))
        slot = slots[_pick(noise[1], tf.size(slots))]
        smallest = math.log2(SHOWN_PIXELS / (self.input_size + 2 * self.context))
        return _centre(boxes[slot]), tf.maximum(octaves[slot], smallest), slot

    def _away(self, boxes, size, noise):
        """Centre and octave of a patch away from all objects, and whether there is one: the first of many tried."""
        low, high = self.negative_scales
        octaves, centres = low + noise[:, 2] * (high - low), noise[:, :2] * size
        objects = 0.5 * (boxes[:, :2] + boxes[:, 2:])
        distance = tf.norm(centres[:, None] - objects, axis=-1) / 2.0 ** octaves[:, None]
        similar = tf.abs(self._octave(boxes) - octaves[:, None]) <= self.negative_octaves
        free = ~tf.reduce_any(similar & (distance <= self.negative_distance), axis=1)
        first = tf.argmax(tf.cast(free, tf.int32))
        return centres[first], octaves[first], tf.reduce_any(free)

    def _window(self, centre, octave, side):
        half = 0.5 * side * 2.0**octave
        return tf.concat([centre - half, centre + half], axis=0)

    def _patch(self, image, centre, octave):
        side, step = self.input_size + 2 * self.context, 2.0**octave
        window, size = self._window(centre, octave, side), tf.shape(image)[:2]
        # Of a large image only what the patch shows is resampled.
        reach = tf.maximum(step, 1.0) + 1.0
        top = tf.clip_by_value(tf.cast(tf.floor(window[:2] - reach), tf.int32), 0, size - 1)
        end = tf.clip_by_value(tf.cast(tf.math.ceil(window[2:] + reach), tf.int32), top + 1, size)
        shown = image[top[0] : end[0], top[1] : end[1]]
        # A cut at the border of what is shown must be one of the image itself, as the outside is grey.
        starts = window[:2] - tf.cast(top, tf.float32)
        return tf.ensure_shape(resample(shown, tf.unstack(starts), step, (side, side), GREY), (side, side, 3))

    def _blank(self):
        side = self.input_size + 2 * self.context
        return tf.fill((side, side, 3), 127.5)

    def _counted(self, number):
        def add(_):
            self.unusable_patches += 1
            return np.float32(0.0)

        # Of its number, as a call of nothing would be made once for all patches, when the graph is optimised.
        return tf.ensure_shape(host_call(add, [number], tf.float32), ())


def _centre(box):
    return 0.5 * (box[:2] + box[2:])


def _pick(noise, count):
    """A place among `count`, of a number in [0, 1)."""
    count = tf.cast(count, tf.int64)
    return tf.minimum(tf.cast(noise * tf.cast(count, tf.float32), tf.int64), count - 1)


@gin.register(module="panet_tf")
def patches_of(data, **kwargs):
    """Patches of the images that a `DetectionData` shows: its source, batch size, normalisation and seed.

    Args:
        data: `DetectionData`.
        **kwargs: of `MaskPatches`; they win.

    Returns:
        `MaskPatches`.

    Example:
        >>> train(model=deep_mask, train_data=patches_of(train_data), eval_data=eval_data, model_dir="run", steps=9000)
    """
    given = {name: getattr(data, name) for name in ("source", "batch_size", "mean", "std", "preprocessing", "seed")}
    return MaskPatches(**(given | kwargs))
