"""From image files or arrays of any size to instances in their own pixels."""

import itertools
import os

import gin
import numpy as np
import tensorflow as tf
from absl import logging
from PIL import Image

from panet_tf.evaluation.rle import decode, masks_to_rle
from panet_tf.inference.array_pixels import array_pixels
from panet_tf.inference.keypoints import keeping_logits, keypoint_result
from panet_tf.inference.panoptic import panoptic_result
from panet_tf.inference.proposals_of_images import proposals_of_images
from panet_tf.inference.read_pixels import read_pixels
from panet_tf.ops.masks import paste_masks_numpy
from panet_tf.ops.proposal_slots import proposal_slots

MASKS = ("bool", "rle", None)


@gin.register(module="panet_tf")
class Predictor:
    """Finds the instances in images as they come: any size, files or arrays.

    Images are turned upright, resized and padded as the model was trained and tested, and gathered into batches of one
    canvas each. The network is traced once a canvas. What comes back is in each image's own pixels, with the data set's
    category ids and names.

    Files of a list that cannot be read are logged with their name, left out and listed in `skipped`, pairs of name and
    reason.

    Args:
        model: `panet_tf.models.RCNN`, or any callable from the dict of inputs to the dict of predictions that has
            `categories`.
        preprocessing: `panet_tf.data.Preprocessing`: sizes, canvases, mean and std. Defaults to the one that the model
            carries from its training.
        batch_size: int, images that go through the network together. The last batch of a canvas is filled up, so that
            shapes never change. Defaults to 1, which an `augmentation` needs.
        score_threshold: float, lower scores are left out. Defaults to 0: everything that the model returns.
        mask_threshold: float, of the pasted probabilities. Defaults to 0.5.
        masks: `"bool"`: full-size arrays; `"rle"`: COCO's run-length codes, a thousandth of the memory on photographs;
            `None`: no masks. Defaults to `"bool"`. Panoptic maps come in any case.
        jit_compile: bool, compile the network with XLA. Defaults to `False`.
        exact_keypoints: whether keypoints are read as the reference programs do, at the resolution of each region and
            outside of the network (up to a second for 100 persons), or by the graph; `None` does as the model's head
            says (`KeypointHead.keep_logits`). With an `augmentation` they always are. Defaults to `None`.
        augmentation: `TestTimeAugmentation`: several sizes, mirrors, voting, ensembles. Images then go through one by
            one, and sizes are its own. Defaults to `None`: one look at each image.
        max_proposals: int, of models that take their regions from outside (Fast R-CNN): the first of each image that
            are classified. Defaults to 1000.

    Raises:
        ValueError: the model carries no preprocessing and none is given, an argument is out of range, or an
            `augmentation` comes with batches or without exact keypoints.

    Example:
        >>> predictor = Predictor(keras.saving.load_model("model.keras"))
        >>> cells = predictor("image.png")[0]
        >>> cells["boxes"].shape, cells["masks"].shape, cells["names"][0]
        ((76, 4), (76, 256, 256), 'nucleus')
        >>> found = Predictor(fast_rcnn)(["a.png", "b.png"], proposals=[boxes_of_a, boxes_of_b])
    """

    def __init__(
        self,
        model,
        *,
        preprocessing=None,
        batch_size=1,
        score_threshold=0.0,
        mask_threshold=0.5,
        masks="bool",
        jit_compile=False,
        exact_keypoints=None,
        augmentation=None,
        max_proposals=1000,
    ):
        preprocessing = preprocessing or getattr(model, "preprocessing", None)
        if preprocessing is None:
            raise ValueError(
                "the predictor resizes as the model was trained: give preprocessing=panet_tf.data.Preprocessing(...), "
                "received None for a model that carries none."
            )
        if masks not in MASKS:
            raise ValueError(f"masks must be one of {MASKS}, received {masks!r}.")
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, received {batch_size}.")
        if max_proposals < 1:
            raise ValueError(f"max_proposals must be at least 1, received {max_proposals}.")
        if augmentation is not None and (batch_size != 1 or exact_keypoints is False):
            raise ValueError(
                "with an augmentation images go one by one and keypoints are read exactly: leave batch_size at 1 and "
                f"exact_keypoints at None or True, received {batch_size} and {exact_keypoints}."
            )
        self.model = model
        self.categories = tuple(model.categories)
        self.panoptic_categories = getattr(model, "panoptic_categories", None)
        self.preprocessing = preprocessing
        self.batch_size = int(batch_size)
        self.score_threshold = float(score_threshold)
        self.mask_threshold = float(mask_threshold)
        self.masks = masks
        self.max_proposals = int(max_proposals)
        self.skipped = []
        self._augmented = (
            None if augmentation is None else augmentation.detector(model, preprocessing, jit_compile=jit_compile)
        )
        self._function = tf.function(
            lambda inputs: _call(model, inputs, exact_keypoints), jit_compile=jit_compile, autograph=False
        )

    def __call__(self, images, proposals=None):
        """Predicts one image or several.

        Args:
            images: an image or a list (any iterable) of images. An image is the path of a file; an array (h, w, 3), RGB
                in 0..255 (uint16: in 0..65535, of which the high byte is kept, as of files), (h, w) or (h, w, 1), grey,
                or (h, w, 4), whose alpha is dropped; or a `PIL.Image`. Folders: `find_images`.
            proposals: for models that take them, and for those alone: an array (n, 4) for one image, for several a list
                (any iterable) of arrays in their order; yxyx in each image's pixels, best first. Defaults to `None`.

        Returns:
            list of dicts in the order of `images`, without those that could not be read:
            `index`, the place among `images`; `file_name`, str or `None`; `size` (height, width); `boxes` float32
            (n, 4), yxyx in the image's pixels; `scores` float32 (n,), descending; `classes` int32 (n,), 1..K;
            `category_ids` int64 (n,), the data set's; `names`, n str; and `masks`, bool (n, height, width) or n
            run-length codes, where the model finds any and they are wanted; `keypoints` float32 (n, J, 3), y, x in the
            image's pixels and score, with n `skeletons`, the categories', where it finds those. Of a panoptic model
            also `panoptic`, int32 (height, width), ids of segments, 0 void, and `segments`, as `panoptic_result` gives
            them.

        Raises:
            ValueError: an array that is no image; one path, not in a list, of what cannot be read; proposals are
                missing, not wanted, or not as many as images.
        """
        return sorted(self.stream(images, proposals), key=lambda result: result["index"])

    def stream(self, images, proposals=None, sizes=None):
        """Predicts images one batch after another, so that a folder of any length needs the memory of a few.

        Args:
            images, proposals: as in a call, e.g. generators.
            sizes: iterable of as many (height, width), those that annotations of the files refer to, or `None` where
                there are none. A file that is stored at this size is not turned upright, as in training; one of another
                size is skipped. Defaults to `None`: all are turned.

        Yields:
            What a call returns, as soon as it is there: images of another canvas may overtake.
        """
        alone = isinstance(images, str | os.PathLike | np.ndarray | tf.Tensor | Image.Image)
        if alone:
            images, proposals = [images], None if proposals is None else [proposals]
        waiting = {}
        skipped = len(self.skipped)
        count = 0
        given = proposals_of_images(self.model, images, proposals)
        given = zip(given, itertools.repeat(None)) if sizes is None else zip(given, sizes, strict=True)
        for index, ((image, regions), wanted) in enumerate(given):
            count += 1
            name = str(image) if isinstance(image, str | os.PathLike) else None
            if name is None:
                pixels = array_pixels(image)
            else:
                try:
                    pixels = read_pixels(name, size=wanted)
                except ValueError as error:
                    if alone:  # nothing would come back
                        raise ValueError(f"{name}: {error}") from error
                    logging.warning("%s skipped: %s", name, error)
                    self.skipped.append((name, str(error)))
                    continue
            size = pixels.shape[:2]
            if self._augmented is not None:
                seen = self._augmented(pixels, self.mask_threshold, self._slots(regions, size))
                found = self._instances(seen, size)
                yield {"index": index, "file_name": name, "size": tuple(size), **found}
                continue
            canvas = int(self.preprocessing.canvas_index(self.preprocessing.resized(size)))
            shown = self.preprocessing(pixels, canvas=self.preprocessing.canvases[canvas])
            if regions is not None:
                shown["proposals"] = self._slots(regions, size, scales=shown["scales"][None])
            batch = waiting.setdefault(canvas, [])
            batch.append(({"index": index, "file_name": name, "size": tuple(size)}, shown))
            if len(batch) == self.batch_size:
                yield from self._predict(waiting.pop(canvas))
        for batch in waiting.values():
            yield from self._predict(batch)
        if len(self.skipped) > skipped:
            logging.warning("%d of %d images could not be read and were skipped.", len(self.skipped) - skipped, count)

    def _slots(self, regions, size, scales=None):
        """Proposals (n, 4) of an image in the slots of the network, or `None` for none."""
        if regions is None:
            return None
        return proposal_slots(regions[None], count=self.max_proposals, original_sizes=[size], scales=scales)[0]

    def _predict(self, batch):
        """Results of up to `batch_size` images of one canvas."""
        examples = [shown for _, shown in batch]
        padding = {**{key: tf.zeros_like(value) for key, value in examples[0].items()}, "scales": tf.ones(2)}
        examples += [padding] * (self.batch_size - len(batch))
        inputs = {key: tf.stack([example[key] for example in examples]) for key in examples[0]}
        ids = [image["index"] for image, _ in batch]
        inputs["image_ids"] = tf.constant(ids + [-1] * (self.batch_size - len(batch)), tf.int64)
        outputs = {key: value.numpy() for key, value in self._function(inputs).items()}
        outputs |= {key: inputs[key].numpy() for key in ("image_sizes", "scales", "offsets")}
        for i, (image, _) in enumerate(batch):
            one = {key: value[i] for key, value in outputs.items()}
            found = {**image, **self._instances(one, image["size"])}
            if "panoptic" in one:
                found |= panoptic_result(one, self.panoptic_categories, image["size"])
            yield found

    def _instances(self, prediction, size):
        """The filled slots of one image that score enough, best first."""
        scores = prediction["scores"]
        order = np.argsort(-scores, kind="stable")
        keep = order[(prediction["classes"][order] > 0) & (scores[order] >= self.score_threshold)]
        classes = prediction["classes"][keep].astype("int32")
        named = [self.categories[k - 1] for k in classes]
        found = {
            "boxes": prediction["boxes"][keep],
            "scores": scores[keep],
            "classes": classes,
            "category_ids": np.array([category["id"] for category in named], "int64"),
            "names": [category.get("name") or str(category["id"]) for category in named],
        }
        if self.masks is not None and "segmentations" in prediction:  # several views, pasted already
            codes = [prediction["segmentations"][slot] for slot in keep]
            bools = np.array([decode(code) for code in codes], bool).reshape(len(keep), *size)
            found["masks"] = bools if self.masks == "bool" else codes
        elif self.masks is not None and "masks" in prediction:
            paste = paste_masks_numpy if self.masks == "bool" else masks_to_rle
            found["masks"] = paste(
                prediction["masks"][keep],
                found["boxes"],
                size,
                self.mask_threshold,
                whole_pixels=getattr(self.model, "whole_pixels", False),
            )
        if "keypoints" in prediction:
            head = getattr(self.model, "keypoint_head", None)
            found["keypoints"] = keypoint_result(prediction, keep, getattr(head, "score", "softmax"))
            found["skeletons"] = [category.get("skeleton") for category in named]
        return found


def _call(model, inputs, exact_keypoints):
    """Predictions in float32 and ints, under any dtype policy."""
    with keeping_logits(model, exact_keypoints):
        outputs = model(inputs, training=False)
    wanted = ("boxes", "scores", "classes", "masks", "panoptic", "segment_classes", "segment_scores")
    wanted += ("keypoints", "keypoint_logits", "keypoint_rois")
    return {
        key: tf.cast(value, tf.float32) if value.dtype.is_floating else value
        for key, value in outputs.items()
        if key in wanted
    }
