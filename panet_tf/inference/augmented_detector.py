"""Detections of one image from several views of it and several models."""

import numpy as np
import tensorflow as tf

from panet_tf.data.keypoint_mirrors import mirror_table
from panet_tf.data.preprocessing import Preprocessing
from panet_tf.evaluation.rle import encode_window
from panet_tf.inference.combined_masks import combined_masks
from panet_tf.inference.common_side import common_side
from panet_tf.inference.detector_stages import DetectorStages
from panet_tf.ops.box_voting import box_voting
from panet_tf.ops.keypoint_decoding import decode_exactly
from panet_tf.ops.mask_voting import mask_voting
from panet_tf.ops.paste_window import paste_window
from panet_tf.ops.soft_nms import soft_nms


class AugmentedDetector:
    """What `TestTimeAugmentation` describes, for given models. A view and its mirror are one batch.

    Args:
        models: list of models of the same categories, of which the first is the one to be augmented.
        preprocessing: `Preprocessing`, whose mean, std and way of resizing count.
        settings: `TestTimeAugmentation`.
        jit_compile: bool, whether the networks are compiled with XLA. Defaults to False.

    Raises:
        ValueError: if the categories differ, a model predicts panoptic maps, which are not united, or masks are to be
            voted on and no model has any.
    """

    def __init__(self, models, preprocessing, settings, *, jit_compile=False):
        categories = [[(c["id"], c.get("name")) for c in model.categories] for model in models]
        if any(other != categories[0] for other in categories):
            raise ValueError(f"the models of an ensemble must have the same categories, received {categories}.")
        if any(getattr(model, "panoptic_categories", None) is not None for model in models):
            raise ValueError("views of panoptic models are not united, received a model with panoptic_categories.")
        self.settings, self.categories = settings, tuple(models[0].categories)
        self.stages = [DetectorStages(model, jit_compile=jit_compile) for model in models]
        if settings.mask_voting is not None and not any(stage.has_masks for stage in self.stages):
            raise ValueError("mask_voting needs a model with masks, received none.")
        self.max_detections = settings.max_detections or getattr(models[0], "max_detections", 100)
        self.whole_pixels = getattr(models[0], "whole_pixels", False)
        self.preprocessings = [self._preprocessing(preprocessing, scale) for scale in settings.scales]
        self._mirrored = mirror_table(self.categories)

    def _preprocessing(self, like, scale):
        short, long = (-(-side // 32) * 32 for side in sorted((scale, max(scale, self.settings.long_side or 0))))
        config = {**like.get_config(), "short_side": scale, "long_side": self.settings.long_side}
        return Preprocessing(**config | {"canvases": self.settings.canvases or ((short, long), (long, short))})

    def __call__(self, image, mask_threshold=0.5, proposals=None):
        """Detects in one image.

        Args:
            image: uint8 or float (h, w, 3), RGB in 0..255.
            mask_threshold: float, of probabilities that are not voted on. Defaults to 0.5.
            proposals: float (P, 4), yxyx in the image's pixels, zeros behind: regions for all views and models in place
                of their own; always as many, or graphs are traced anew. Needed by models that take them. Defaults to
                `None`.

        Returns:
            dict of `boxes` float32 (n, 4), yxyx in the image's pixels, `scores` float32 (n,), descending, `classes`
            int32 (n,); where a model has masks `segmentations`, n run-length codes; where one has keypoints `keypoints`
            float32 (n, J, 3), y, x, score.
        """
        size = tuple(image.shape[:2])
        views = [self._view(image, preprocessing) for preprocessing in self.preprocessings]
        united = self._united(views, size[1], proposals)
        found, survivors = self._suppressed(united)
        if any(stage.has_masks for stage in self.stages):
            windows = self._windows(views, united, found, survivors, size, mask_threshold)
            found["segmentations"] = [encode_window(mask, top, left, size) for mask, top, left in windows]
            if self.settings.tight_boxes:
                found["boxes"] = np.array(
                    [_tight(box, *window) for box, window in zip(found["boxes"], windows)], "float32"
                ).reshape(-1, 4)
        if any(stage.has_keypoints for stage in self.stages):
            found["keypoints"] = self._keypoints(views, found, size[1])
        return found

    def _view(self, image, preprocessing):
        """Inputs of a batch: the image at a size, and its mirror image."""
        canvas = preprocessing.canvases[int(preprocessing.canvas_index(preprocessing.resized(image.shape[:2])))]
        sides = [image, image[:, ::-1]] if self.settings.flips else [image]
        examples = [preprocessing(side, canvas=canvas) for side in sides]
        inputs = {key: tf.stack([example[key] for example in examples]) for key in examples[0]}
        return {**inputs, "image_ids": tf.range(len(examples), dtype=tf.int64)}

    def _both(self, boxes, width):
        """Boxes of the image (n, 4) as those of the image and its mirror, (2, n, 4)."""
        return np.stack([boxes, _mirror(boxes, width)]) if self.settings.flips else boxes[None]

    def _united(self, views, width, proposals=None):
        """All boxes that score enough: `boxes`, `scores`, `classes`, and `source`, model, view and side of each."""
        if proposals is None and self.settings.proposals == "first":
            alone = {key: value[:1] for key, value in views[0].items()}
            proposals = self.stages[0].proposals(alone)[0]
        proposals = None if proposals is None else self._both(np.asarray(proposals), width)
        parts = []
        for model, stages in enumerate(self.stages):
            for view, inputs in enumerate(views):
                if proposals is not None:
                    factor = np.tile(inputs["scales"].numpy(), (1, 2))[:, None]
                    empty = (proposals[:1, :, 2:] <= proposals[:1, :, :2]).any(axis=-1, keepdims=True)
                    inputs = {**inputs, "proposals": tf.constant(np.where(empty, 0.0, proposals * factor), tf.float32)}
                boxes, scores = (value.numpy() for value in stages.boxes(inputs))
                boxes = np.broadcast_to(boxes, (*scores.shape, 4))
                for side in range(len(boxes)):
                    unmirrored = _mirror(boxes[side], width) if side else boxes[side]
                    parts.append((unmirrored, scores[side], (model, view, side)))
        if not self.settings.union:
            boxes, scores, _ = zip(*parts)
            parts = [(np.mean(boxes, axis=0), np.mean(scores, axis=0), (0, 0, 0))]
        rows = [np.nonzero(scores > self.settings.score_threshold) for _, scores, _ in parts]
        return {
            "boxes": np.concatenate([boxes[row] for (boxes, _, _), row in zip(parts, rows)]).astype("float32"),
            "scores": np.concatenate([scores[row] for (_, scores, _), row in zip(parts, rows)]).astype("float32"),
            "classes": np.concatenate([row[1] + 1 for row in rows]).astype("int32"),
            "source": np.concatenate([np.tile(part[2], (len(row[0]), 1)) for part, row in zip(parts, rows)]),
        }

    def _suppressed(self, united):
        """The detections: `boxes`, `scores`, `classes`; and the united box that each comes from."""
        settings = self.settings
        indices, scores, valid = soft_nms(
            *(united[key] for key in ("boxes", "scores", "classes")),
            method=settings.suppression,
            iou_threshold=settings.iou_threshold,
            sigma=settings.sigma,
            min_score=0.0 if settings.suppression == "hard" else 1e-4,
            max_outputs=self.max_detections,
        )
        indices, scores = indices.numpy()[valid.numpy()], scores.numpy()[valid.numpy()]
        boxes, classes = united["boxes"][indices], united["classes"][indices]
        if settings.box_voting is not None and len(boxes):
            voters = (united[key] for key in ("boxes", "scores", "classes"))
            voted = {"iou_threshold": settings.box_voting, "score": settings.voted_score}
            boxes, scores = (value.numpy() for value in box_voting(boxes, scores, classes, *voters, **voted))
        order = np.argsort(-scores, kind="stable")
        return {"boxes": boxes[order], "scores": scores[order], "classes": classes[order]}, indices[order]

    def _windows(self, views, united, found, survivors, size, threshold):
        """The mask of each detection: windows of the image, see `mask_voting`."""
        settings = self.settings
        options = {"whole_pixels": self.whole_pixels}
        if settings.mask_voting is None:
            masks = self._everywhere("masks", views, found, size[1], self._masks)
            masks = combined_masks(masks, settings.masks)
            windows = [paste_window(mask, box, size, **options) for mask, box in zip(masks, found["boxes"])]
            return [(window >= threshold, top, left) for window, top, left in windows]
        rows = self._voters(united, survivors)
        voters = {key: value[rows] for key, value in united.items()}
        with_masks = self._with_masks()
        # What a model without masks has found is seen in the same view by the first one that has any.
        unable = ~np.isin(voters["source"][:, 0], with_masks)
        voters["source"][unable, 0] = with_masks[0]
        return mask_voting(
            found["boxes"],
            found["classes"],
            *(voters[key] for key in ("boxes", "scores", "classes")),
            self._own_masks(views, voters, size[1]),
            size=size,
            iou_threshold=settings.mask_voting,
            binary_threshold=settings.binary_threshold,
            own=np.searchsorted(rows, survivors),
            **options,
        )

    def _with_masks(self):
        return [number for number, stages in enumerate(self.stages) if stages.has_masks]

    def _voters(self, united, survivors):
        """Ascending rows of the united boxes that vote on masks: all survivors, so that none is left without a mask,
        and the best of the others that their own models give masks."""
        survives = np.zeros(len(united["scores"]), bool)
        survives[survivors] = True
        others = np.flatnonzero(np.isin(united["source"][:, 0], self._with_masks()) & ~survives)
        best = others[np.argsort(-united["scores"][others], kind="stable")]
        return np.sort(np.append(survivors, best[: max(self.settings.max_voters - len(survivors), 0)]))

    def _own_masks(self, views, voters, width):
        """The mask of each voter (M, m, m), in the view that its box comes from."""
        masks = [None] * len(voters["boxes"])
        for model, view in sorted({(int(m), int(v)) for m, v, _ in voters["source"]}):
            of_view = (voters["source"][:, :2] == (model, view)).all(axis=1)
            sides = [np.flatnonzero(of_view & (voters["source"][:, 2] == side)) for side in (0, 1)]
            for start in range(0, max(map(len, sides)), self.max_detections):
                chunks = [side[start : start + self.max_detections] for side in sides[: len(views[view]["images"])]]
                boxes = [self._filled(voters["boxes"][chunk]) for chunk in chunks]
                boxes = np.stack([_mirror(box, width) if side else box for side, box in enumerate(boxes)])
                classes = np.stack([self._filled(voters["classes"][chunk]) for chunk in chunks])
                for side, (chunk, found) in enumerate(zip(chunks, self._masks(model, views[view], boxes, classes))):
                    for row, mask in zip(chunk, found):
                        masks[row] = mask[:, ::-1] if side else mask
        return masks

    def _masks(self, model, inputs, boxes, classes):
        return self.stages[model].masks(inputs, tf.constant(boxes), tf.constant(classes)).numpy()

    def _everywhere(self, kind, views, found, width, function):
        """What a branch says of the detections in every view, V arrays (n, S, S, ...), as the image itself has it."""
        number = len(found["boxes"])
        boxes = self._both(self._filled(found["boxes"]), width)
        classes = np.tile(self._filled(found["classes"]), (len(boxes), 1))
        sides = []
        for model, stages in enumerate(self.stages):
            if getattr(stages, f"has_{kind}"):
                for inputs in views:
                    seen = function(model, inputs, boxes, classes)[:, :number]
                    sides += [side[:, :, ::-1] if mirrored else side for mirrored, side in enumerate(seen)]
        return sides

    def _keypoints(self, views, found, width):
        """The points of each detection, (n, J, 3), by the mean of the maps of all views."""
        sides = self._everywhere("keypoints", views, found, width, self._logits)
        if self._mirrored is not None and self.settings.flips:  # the left eye of a mirror image is the right one
            order = self._mirrored[found["classes"]][:, None, None]
            sides[1::2] = [np.take_along_axis(side, order, axis=-1) for side in sides[1::2]]
        head = next(stages.model.keypoint_head for stages in self.stages if stages.has_keypoints)
        return decode_exactly(common_side(sides).mean(axis=0), found["boxes"], score=getattr(head, "score", "softmax"))

    def _logits(self, model, inputs, boxes, classes):
        del classes
        return self.stages[model].keypoints(inputs, tf.constant(boxes)).numpy()

    def _filled(self, values):
        """(n, ...) as (max_detections, ...), zeros behind."""
        return np.pad(values, [(0, self.max_detections - len(values)), *[(0, 0)] * (values.ndim - 1)])


def _mirror(boxes, width):
    """Boxes (..., 4), yxyx, of the mirror image."""
    return np.stack([boxes[..., 0], width - boxes[..., 3], boxes[..., 2], width - boxes[..., 1]], -1).astype("float32")


def _tight(box, mask, top, left):
    """The box around a mask's window, or the box itself where the mask is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return box
    return (top + rows[0], left + columns[0], top + rows[-1] + 1, left + columns[-1] + 1)
