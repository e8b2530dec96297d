"""Metrics of a model on a data set."""

import inspect
import logging
import sys
import time

import gin
import keras
import numpy as np

from panet_tf.evaluation.cityscapes_evaluator import CityscapesEvaluator
from panet_tf.evaluation.coco_evaluator import CocoEvaluator
from panet_tf.evaluation.panoptic_evaluator import PanopticEvaluator
from panet_tf.evaluation.panoptic_submission import PanopticSubmission
from panet_tf.evaluation.proposal_recall import ProposalRecall
from panet_tf.inference.load_model import load_model
from panet_tf.inference.preprocessing_check import warn_of_other_preprocessing
from panet_tf.training.merging import merging_with
from panet_tf.training.window_scales import windows_at


@gin.register(module="panet_tf")
def evaluate(
    model,
    data,
    *,
    evaluators=None,
    submission=None,
    merging=None,
    scales=None,
    augmentation=None,
    max_images=None,
    verbose="auto",
):
    """Predicts a data set batch by batch and gives the metrics; nothing but the evaluators' own results is kept.

    Args:
        model: `keras.Model` that predicts the dict of `panet_tf.models.RCNN`, or the path of a `.keras` file or of
            the folder of a run that has ended.
        data: `panet_tf.data.DetectionData` made for evaluation (or anything with `dataset()`, `categories`,
            `num_examples` and `source.coco_ground_truth()`). Sizes and normalisation that are not those of the
            model's training are warned of.
        evaluators: tuple of evaluators (`update`, `result`, `reset`), or of what makes them: classes with
            `made_for(model, data)`, or functions of `ground_truth` and `max_detections`. Where images were left out,
            by `max_images` or as unreadable, `result` receives `seen_only=True` if it takes it. `None` (default) is
            `CocoEvaluator` for boxes and, where the model predicts them, masks; and `PanopticEvaluator` where the model
            predicts panoptic maps and the source has `panoptic_ground_truth()`; and `CityscapesEvaluator` for masks
            where the source reads `CityscapesFiles`. Models that propose only, whose detections are all of one class,
            have `ProposalRecall` in place of the first.
        submission: folder for panoptic predictions in COCO's format, PNG files and the JSON beside it, or `None`
            (default).
        merging: dict of settings of the model's `PanopticMerger` that differ in this evaluation, such as
            `{"order": "detection", "overlap_threshold": 1.0}`: one trained model, several ways to lay down its
            instances. The model keeps its own. Defaults to `None`.
        scales: floats, factors on images at which a `DeepMask` or `SharpMask` looks for windows in this evaluation, as
            from `proposal_scales`: Zoom and Zoom^2 of one trained model, which keeps its own. Defaults to `None`.
        augmentation: `panet_tf.TestTimeAugmentation`: several sizes, mirrors, voting, ensembles; the source's
            images then go through one by one, at its sizes. Defaults to `None`: one look at each image.
        max_images: int or `None`, how many images to look at, for a quick check; the metrics are then of those images.
        verbose: `"auto"` prints progress (a bar in a terminal, else a line now and then), `False` nothing.

    Returns:
        dict from names like `"segm/AP"` and `"pq"` to floats.

    Raises:
        ValueError: when there is no such model, its categories are not those of the data, an image comes twice, or
            `merging` or `scales` are of what the model cannot do.

    Example:
        >>> evaluate("run/model.keras", eval_data)["segm/AP50"]
        0.71
    """
    if not isinstance(model, keras.Model):
        model = load_model(model)
    check_categories_match(model, data)
    if augmentation is None:  # which has sizes of its own
        warn_of_other_preprocessing(model, data)
    writing = [] if submission is None else [PanopticSubmission.made_for(model, data, folder=submission)]
    if evaluators is not None:
        evaluators = [make_evaluator(evaluator, model, data) for evaluator in evaluators] + writing
        for evaluator in evaluators:
            evaluator.reset()
    total = data.num_examples if max_images is None else min(max_images, data.num_examples)
    progress = _Progress(total, verbose)
    seen = 0
    stream = predictions(model, data.dataset()) if augmentation is None else augmentation.predictions(model, data)
    with merging_with(model, merging), windows_at(model, scales):
        for outputs in stream:
            if evaluators is None:
                evaluators = default_evaluators(outputs, model, data) + writing
            for evaluator in evaluators:
                evaluator.update(outputs)
            seen += int(np.sum(outputs["image_ids"] >= 0))
            progress.at(seen)
            if seen >= total:
                break
    started = time.monotonic()
    results = {}
    for evaluator in evaluators or ():
        results.update(_result(evaluator, seen, data.num_examples))
    progress.done(time.monotonic() - started)
    return results


def predictions(model, dataset):
    """Yields the predictions of each batch as NumPy arrays, float32 where the model computes in less.

    `Model.predict` would hold the masks of the whole data set, and `predict_on_batch` gives every replica the whole
    batch.

    Args:
        model: `keras.Model`, compiled or not.
        dataset: `tf.data.Dataset` of input dicts of static batch size.
    """
    model.make_predict_function()
    for batch in model.distribute_strategy.experimental_distribute_dataset(dataset):
        outputs = model.predict_function([(batch,)])
        yield {name: _array(value) for name, value in outputs.items()}


def default_evaluators(outputs, model, data):
    """COCO's, Cityscapes' and the panoptic evaluators, for what the predictions and the source's ground truth hold."""
    evaluators = []
    if proposes(model):
        evaluators.append(ProposalRecall.made_for(model, data))
    elif "boxes" in outputs:
        metrics = ("bbox", "segm") if {"masks", "segmentations"} & set(outputs) else ("bbox",)
        if "keypoints" in outputs and any(category.get("keypoints") for category in data.categories):
            metrics += ("keypoints",)
        evaluators.append(CocoEvaluator(data.source.coco_ground_truth(), metrics=metrics, **_of_model(model)))
        if "segm" in metrics and CityscapesEvaluator.fits(data):
            evaluators.append(CityscapesEvaluator.made_for(model, data))
    if "panoptic" in outputs and hasattr(data.source, "panoptic_ground_truth"):
        evaluators.append(PanopticEvaluator.made_for(model, data))
    return evaluators


def proposes(model):
    """Whether a model's detections are proposals, all of one class, whose categories mean nothing."""
    return getattr(model, "boxes_are_frames", False) or getattr(model, "box_head", True) is None


def make_evaluator(evaluator, model, data):
    """An evaluator as it is, or made for the model and the data."""
    if hasattr(evaluator, "update") and not isinstance(evaluator, type):
        return evaluator
    if hasattr(evaluator, "made_for"):
        return evaluator.made_for(model, data)
    return evaluator(ground_truth=data.source.coco_ground_truth(), **_of_model(model))


def _result(evaluator, seen, total):
    """An evaluator's metrics, of the images that were seen if it can leave the others out."""
    if seen >= total:
        return evaluator.result()
    parameters = inspect.signature(evaluator.result).parameters
    if "seen_only" in parameters or any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        return evaluator.result(seen_only=True)
    logging.getLogger(__name__).warning(
        "%d of %d images were not seen, and %s.result() takes no seen_only: it may count them as images without "
        "predictions.",
        total - seen,
        total,
        type(evaluator).__name__,
    )
    return evaluator.result()


def _of_model(model):
    """What an evaluator of boxes and masks must do as the model does; the rule of pasting where it is not ours."""
    number, whole_pixels = getattr(model, "max_detections", None), getattr(model, "whole_pixels", False)
    found = {} if number is None else {"max_detections": number}
    return found | ({"whole_pixels": whole_pixels} if whole_pixels else {})


def check_categories_match(model, data):
    """Refuses a model whose class k is another category than the data's class k.

    Args:
        model: anything; one without `categories` is not checked.
        data: object with `categories`, a sequence of dicts with `id` and `name`. `panoptic_categories` are compared
            where both have them.

    Raises:
        ValueError: naming the first difference.
    """
    for kind in ("categories", "panoptic_categories"):
        ours, theirs = (getattr(owner, kind, None) for owner in (model, data))
        if ours is None or (theirs is None and kind == "panoptic_categories"):
            continue
        ours, theirs = ([(category["id"], category.get("name")) for category in owner] for owner in (ours, theirs))
        if ours != theirs:
            counts = (f"{len(ours)}", f"{len(theirs)}")
            difference = next((pair for pair in zip(ours, theirs) if pair[0] != pair[1]), counts)
            raise ValueError(
                f"The model and the data must have the same {kind} in the same order (id, name); the first difference "
                f"is {difference[0]} in the model and {difference[1]} in the data."
            )


def _array(value):
    value = np.asarray(value)
    return value.astype("float32") if value.dtype.kind == "V" or value.dtype.name in ("bfloat16", "float16") else value


class _Progress:
    """A bar in a terminal, lines elsewhere."""

    def __init__(self, total, verbose, seconds=30.0):
        self.total, self.seconds = total, seconds
        self.start = self.last = time.monotonic()
        self.bar = None
        self.silent = not verbose
        if verbose and sys.stdout.isatty():
            self.bar = keras.utils.Progbar(total, unit_name="image")

    def at(self, seen):
        if self.bar is not None:
            self.bar.update(seen)
        elif not self.silent and time.monotonic() - self.last > self.seconds:
            self.last = time.monotonic()
            left = (self.last - self.start) / seen * (self.total - seen)
            print(f"evaluated {seen}/{self.total} images, about {left / 60:.1f} min left", flush=True)

    def done(self, metric_seconds):
        if not self.silent:
            spent = time.monotonic() - self.start - metric_seconds
            print(f"evaluated {self.total} images in {spent:.0f} s, metrics in {metric_seconds:.0f} s", flush=True)
