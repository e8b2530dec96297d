"""OccludedShapes drawn on the fly: a data set that needs no disk and no network."""

import functools
import math

import gin
import numpy as np
import tensorflow as tf
from pycocotools import mask as rle

from panet_tf.data import shape_drawing
from panet_tf.data.host_calls import host_call
from panet_tf.data.mask_grids import GRID_SIZE, pack_masks, sample_mask
from panet_tf.data.panoptic_ground_truth import PanopticGroundTruth

MAX_INSTANCES = 1000  # Annotation ids are image * 1000 + number.
# Shapes that can carry a small one: the radius, as a share of their own, of a disc around the centre that they contain.
_CORE = {"square": 0.8, "disc": 1.0, "triangle": 0.45}


@gin.register(module="panet_tf")
class OccludedShapesSource:
    """Textured shapes that lie on one another on a ground of textured regions, each image a function of (seed, index).

    Eight thing categories (square, disc, triangle, cross, crescent, ring with its hole, star, thin bar), in the order
    in which they habitually lie from the ground up: small and thin on large. A stated share of instances breaks the
    habit and lies at a random depth. So an order of depth can be learned from categories and shapes, but not by rote.
    Four stuff categories (stripes, checks, dots, clouds) cover the ground. Boxes, masks, areas and keypoints are
    amodal: of the whole shape as far as it lies in the image, hidden or not. Instances of which less than a tenth
    shows are left out.

    Args:
        num_examples: int. Defaults to 1000.
        image_size: (height, width), or a tuple of such pairs that images take in turn. Defaults to (256, 256).
        instances: (least, most) shapes of an image. Defaults to (3, 10).
        overlap: share of shapes that are thrown onto another; the rest look for a free place. Defaults to 0.5.
        exceptions: share of shapes at a random depth. Defaults to 0.1.
        small_on_top: share of shapes that are placed, small, wholly inside another one whose category habitually lies
            lower, as a tie lies on a person: whoever keeps the large one first loses them. Defaults to 0.
        seed: int. Data sets of different seeds share no image. Defaults to 0.

    Raw samples hold, beside what every source of panoptic data gives (the map `panoptic` is of what shows; its segments
    are the instances in their order, then the stuff), `objects/visible_mask` uint8 (n, 112, 14), what shows of each
    instance sampled over its amodal box, and `objects/depth` int32 (n,), 0 being the nearest.

    Example:
        >>> sample = OccludedShapesSource(image_size=(240, 320), seed=1).draw(7)
    """

    def __init__(
        self,
        *,
        num_examples=1000,
        image_size=(256, 256),
        instances=(3, 10),
        overlap=0.5,
        exceptions=0.1,
        small_on_top=0.0,
        seed=0,
    ):
        sizes = image_size if np.ndim(image_size) == 2 else (image_size,)
        if any(len(size) != 2 or min(size) < 16 for size in sizes):
            raise ValueError(f"`image_size` must be a height and a width of at least 16 pixels, received {image_size}.")
        if not 0 <= instances[0] <= instances[1] < MAX_INSTANCES:
            raise ValueError(f"`instances` must be a range within 0..{MAX_INSTANCES - 1}, received {instances}.")
        for name, share in (("overlap", overlap), ("exceptions", exceptions), ("small_on_top", small_on_top)):
            if not 0.0 <= share <= 1.0:
                raise ValueError(f"`{name}` must be a share between 0 and 1, received {share}.")
        if num_examples < 1:
            raise ValueError(f"`num_examples` must be at least 1, received {num_examples}.")
        self.num_examples, self.seed = int(num_examples), int(seed)
        self.instances, self.overlap, self.exceptions = tuple(instances), overlap, exceptions
        self.small_on_top = small_on_top
        sizes = np.array([tuple(size) for size in sizes], np.int32)
        self.image_sizes = sizes[np.arange(self.num_examples) % len(sizes)]

    @property
    def categories(self):
        """Thing categories, from the habitually lowest to the highest."""
        swaps = {"keypoints": list(shape_drawing.KEYPOINTS), "skeleton": [[1, 3], [2, 4]]}
        return tuple(
            {"id": number, "name": name, "supercategory": "shape", "isthing": 1, **swaps}
            for number, name in enumerate(shape_drawing.SHAPES, start=1)
        )

    @property
    def stuff_categories(self):
        """Stuff categories; their ids follow those of the things."""
        first = len(shape_drawing.SHAPES) + 1
        return tuple(
            {"id": number, "name": name, "supercategory": "ground", "isthing": 0}
            for number, name in enumerate(shape_drawing.STUFF, start=first)
        )

    @property
    def panoptic_categories(self):
        """Thing categories, then stuff categories."""
        return (*self.categories, *self.stuff_categories)

    @functools.cached_property
    def num_objects(self):
        """int array (num_examples,): instances of each image. Draws them all, once."""
        return np.array([len(self.draw(index)["objects"]["id"]) for index in range(self.num_examples)])

    def samples(self, shuffle_seed=None):
        """All raw samples once, as a `tf.data.Dataset`; an int scalar `shuffle_seed` gives them another order."""
        indices = tf.range(self.num_examples, dtype=tf.int64)
        if shuffle_seed is not None:
            seed = tf.stack([tf.cast(shuffle_seed, tf.int32), 0])
            indices = tf.random.experimental.stateless_shuffle(indices, seed)
        indices = tf.data.Dataset.from_tensor_slices(indices)
        return indices.map(self.sample, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)

    def sample(self, index):
        """The raw sample at an int64 scalar tensor, inside a graph."""
        example = self._spec
        flat_spec = tf.nest.flatten(example)

        def draw(index):
            return tf.nest.flatten(self.draw(int(index)))

        flat = host_call(draw, [index], [spec.dtype for spec in flat_spec])
        shaped = [tf.ensure_shape(value, spec.shape) for value, spec in zip(flat, flat_spec)]
        return tf.nest.pack_sequence_as(example, shaped)

    @property
    def _spec(self):
        points = len(shape_drawing.KEYPOINTS)
        objects = {
            "id": tf.TensorSpec((None,), tf.int64),
            "box": tf.TensorSpec((None, 4), tf.float32),
            "class": tf.TensorSpec((None,), tf.int32),
            "is_crowd": tf.TensorSpec((None,), tf.bool),
            "area": tf.TensorSpec((None,), tf.float32),
            "mask": tf.TensorSpec((None, GRID_SIZE, GRID_SIZE // 8), tf.uint8),
            "visible_mask": tf.TensorSpec((None, GRID_SIZE, GRID_SIZE // 8), tf.uint8),
            "depth": tf.TensorSpec((None,), tf.int32),
            "segment": tf.TensorSpec((None,), tf.int32),
            "keypoints": tf.TensorSpec((None, points, 3), tf.float32),
            "segmentation": tf.TensorSpec((None,), tf.string),
        }
        return {
            "image": tf.TensorSpec((None, None, 3), tf.uint8),
            "image_id": tf.TensorSpec((), tf.int64),
            "file_name": tf.TensorSpec((), tf.string),
            "panoptic": tf.TensorSpec((None, None, 1), tf.uint16),
            "segments": {"category": tf.TensorSpec((None,), tf.int32)},
            "objects": objects,
        }

    def draw(self, index):
        """The raw sample at an index, as NumPy arrays: a function of (seed, index) and the constructor's arguments."""
        rng = np.random.default_rng((self.seed, index))
        height, width = (int(side) for side in self.image_sizes[index])
        shapes = self._layout(rng, height, width)
        image, stuff = shape_drawing.draw_background(rng, height, width, int(rng.integers(1, 4)))
        # From the ground up: what comes later hides what came before.
        nearest = np.zeros((height, width), np.int32)
        masks = []
        for number, (shape, centre, radius, tilt) in enumerate(shapes, start=1):
            mask = shape_drawing.draw_shape(rng, image, shape, centre, radius, tilt)
            nearest[mask] = number
            masks.append(mask)
        image += 4.0 * rng.standard_normal((height, width, 1), np.float32)

        names = list(shape_drawing.SHAPES)
        panoptic = np.zeros((height, width), np.uint16)
        objects = []
        # Annotations come in the order of the layout's random labels, so that their order tells nothing about depth.
        for number in rng.permutation(len(shapes)):
            shape, centre, radius, tilt = shapes[number]
            mask, shown = masks[number], nearest == number + 1
            if shown.sum() < 0.1 * mask.sum() or not shown.any():
                continue
            label = names.index(shape) + 1
            panoptic[shown] = len(objects) + 1
            objects.append(
                self._annotation(index, len(objects), label, mask, shown, nearest, number + 1, shapes[number])
            )
        categories = [annotation["class"] for annotation in objects]
        # Where a dropped instance shows a little, no stuff shows: it becomes part of nothing that is labelled.
        for label in np.unique(stuff[nearest == 0]):
            categories.append(len(names) + label)
            panoptic[(stuff == label) & (nearest == 0)] = len(categories)
        fronts = np.argsort(np.argsort([-annotation["depth"] for annotation in objects]))
        for annotation, front in zip(objects, fronts):
            annotation["depth"] = front
        return {
            "image": np.clip(image, 0, 255).astype(np.uint8),
            "image_id": np.int64(index),
            "file_name": np.bytes_(f"{index:012d}.png"),
            "panoptic": panoptic[..., None],
            "segments": {"category": np.array(categories, np.int32)},
            "objects": self._stacked(objects),
        }

    def _layout(self, rng, height, width):
        """(shape, centre, radius, tilt) of each instance, from the farthest to the nearest."""
        side, names = min(height, width), list(shape_drawing.SHAPES)
        placed = []
        for _ in range(rng.integers(self.instances[0], self.instances[1] + 1)):
            layer = int(rng.integers(len(names)))
            look = shape_drawing.SHAPES[names[layer]]
            radius = max(3.0, side * np.exp(rng.uniform(*np.log(look["radius"]))))
            hosts = self._hosts(rng, placed, layer, side)  # draws nothing where `small_on_top` is 0
            if hosts:
                _, _, (host, other, other_radius, _) = hosts[rng.integers(len(hosts))]
                reach = other_radius * _CORE[host]
                radius = min(radius, 0.6 * reach)
                turn, far = rng.uniform(0, 2 * np.pi), (reach - radius) * math.sqrt(rng.uniform())
                centre = np.array(other) + far * np.array([math.sin(turn), math.cos(turn)])
            elif placed and rng.uniform() < self.overlap:
                _, _, (_, other, other_radius, _) = placed[rng.integers(len(placed))]
                centre = np.array(other) + rng.uniform(-0.7, 0.7, 2) * (other_radius + 0.5 * radius)
            else:
                # The freest of a few places, shrunk to it where `overlap` allows none.
                centres = rng.uniform(0.04, 0.96, (12, 2)) * (height, width)
                room = [
                    min([math.hypot(*(c - o)) - r for _, _, (_, o, r, _) in placed], default=np.inf) for c in centres
                ]
                centre = centres[int(np.argmax(room))] if placed else centres[0]
                if self.overlap == 0.0:
                    radius = min(radius, max(room) - 1.0)
                    if radius < 3.0:
                        continue
            centre = np.clip(centre, 2.0, (height - 2.0, width - 2.0))
            tilt = rng.uniform(-look["tilt"], look["tilt"])
            level = layer if rng.uniform() >= self.exceptions else rng.uniform(-1, len(names))
            placed.append((level, rng.uniform(), (names[layer], tuple(centre.tolist()), float(radius), tilt)))
        return [shape for _, _, shape in sorted(placed, key=lambda item: item[:2])]

    def _hosts(self, rng, placed, layer, side):
        """Those placed on which a shape of a layer is to lie, small and whole; none for the shapes left to chance."""
        if not self.small_on_top or rng.uniform() >= self.small_on_top:
            return []
        names = list(shape_drawing.SHAPES)
        lower = [item for item in placed if item[2][0] in _CORE and names.index(item[2][0]) < layer]
        return [item for item in lower if 0.6 * item[2][2] * _CORE[item[2][0]] >= max(3.0, 0.03 * side)]

    def _annotation(self, index, position, label, mask, shown, nearest, number, shape):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = np.array([rows[0], columns[0], rows[-1] + 1, columns[-1] + 1], np.float32)
        points = shape_drawing.keypoints_of(*shape)
        pixels = np.argwhere(mask) + 0.5
        keypoints = np.zeros((len(points), 3), np.float32)
        for keypoint, (y, x) in zip(keypoints, points):
            if 0 <= y < mask.shape[0] and 0 <= x < mask.shape[1]:
                if not mask[int(y), int(x)]:  # a thin part between two pixel centres
                    y, x = pixels[np.argmin(((pixels - (y, x)) ** 2).sum(-1))]
                keypoint[:] = y, x, 2 if nearest[int(y), int(x)] == number else 1
        return {
            "id": (index + 1) * MAX_INSTANCES + position,
            "box": box,
            "class": label,
            "is_crowd": False,
            "area": mask.sum(),
            "mask": pack_masks(sample_mask(mask, box)),
            "visible_mask": pack_masks(sample_mask(shown, box)),
            "depth": number,
            "segment": position + 1,
            "keypoints": keypoints,
            "segmentation": rle.encode(np.asfortranarray(mask, np.uint8))["counts"],
        }

    def _stacked(self, annotations):
        stacked = {}
        for name, spec in self._spec["objects"].items():
            dtype = object if spec.dtype == tf.string else spec.dtype.as_numpy_dtype
            shape = (len(annotations), *spec.shape[1:])
            stacked[name] = np.array([annotation[name] for annotation in annotations], dtype).reshape(shape)
        return stacked

    def panoptic_ground_truth(self):
        """`PanopticGroundTruth` of what shows; segments' ids are their numbers. Draws an image when it is asked for."""

        def read(index):
            sample = self.draw(index)
            categories = sample["segments"]["category"]
            ids = np.arange(1, len(categories) + 1)
            return sample["panoptic"][..., 0], ids, categories, np.zeros(len(ids), bool)

        return PanopticGroundTruth(categories=self.panoptic_categories, image_ids=range(self.num_examples), read=read)

    def coco_ground_truth(self):
        """All annotations as a COCO dict (`images`, `annotations` with RLE, `categories`). Draws every image, once."""
        return self._ground_truth

    @functools.cached_property
    def _ground_truth(self):
        images, annotations = [], []
        for index in range(self.num_examples):
            sample = self.draw(index)
            height, width = (int(side) for side in self.image_sizes[index])
            images.append({"id": index, "file_name": sample["file_name"].decode(), "height": height, "width": width})
            objects = sample["objects"]
            for position, identity in enumerate(objects["id"]):
                top, left, bottom, right = (float(edge) for edge in objects["box"][position])
                points = objects["keypoints"][position]
                annotations.append(
                    {
                        "id": int(identity),
                        "image_id": index,
                        "category_id": int(objects["class"][position]),
                        "bbox": [left, top, right - left, bottom - top],
                        "area": float(objects["area"][position]),
                        "iscrowd": 0,
                        "segmentation": {
                            "size": [height, width],
                            "counts": objects["segmentation"][position].decode(),
                        },
                        # COCO has x first, and counts from the centre of the first pixel.
                        "keypoints": np.where(points[:, 2:] > 0, points[:, [1, 0, 2]] - (0.5, 0.5, 0), 0)
                        .ravel()
                        .tolist(),
                        "num_keypoints": int((points[:, 2] > 0).sum()),
                    }
                )
        return {"images": images, "annotations": annotations, "categories": list(self.categories)}
