"""Training the two stages of a detector one after the other."""

import functools
import pathlib

import gin

from panet_tf.evaluation.proposal_recall import ProposalRecall
from panet_tf.evaluation.proposal_writer import ProposalWriter
from panet_tf.models.fast_rcnn import fast_rcnn
from panet_tf.models.separate_stages import first_stage, joined, proposer
from panet_tf.models.unshared_rcnn import UnsharedRCNN
from panet_tf.training.atomic_write import write_atomically
from panet_tf.training.evaluate import evaluate
from panet_tf.training.train import train

FEATURES = ("backbone", "necks")


@gin.register(module="panet_tf")
def alternate_training(
    *,
    model,
    train_data,
    proposal_data,
    model_dir,
    steps=None,
    rpn_steps=None,
    eval_data=None,
    share_features=False,
    train_proposals=2000,
    eval_proposals=1000,
    train=train,
    train_rpn=None,
    **kwargs,
):
    """Trains a region proposal network, then a detector on its fixed proposals (the thesis, sections 4.5.2 and 4.5.3).

    With `share_features` the two are then made to share their features, in the four steps of Faster R-CNN (section
    3.2): (1) the network alone, (2) the detector on its proposals, with a backbone of its own, (3) the network again,
    on the detector's backbone and necks, which stay as they are, (4) what is the detector's own again, on the new
    proposals. Training both at once ("end-to-end", Mask R-CNN, Table 8) is `train` with `model` itself.

    Each step is a run of `train` in a folder of its own, `1_rpn`, `2_detector`, `3_rpn`, `4_detector`, beside its
    `proposals_train.json` and `proposals_eval.json`. Run it again and it continues where it was stopped.

    Args:
        model: function of `categories` that makes the whole detector, such as `faster_rcnn` or `panet`.
        train_data: function that makes training data and takes `proposals` and `max_proposals`, such as
            `functools.partial(DetectionData, source=source, batch_size=16, training=True)`.
        proposal_data: function without arguments that makes data which show the images of `train_data` as they are, to
            propose on.
        model_dir: path of the folder.
        steps: int, of each training of the detector. Needed unless `train` is a function that has its own.
        rpn_steps: int, of each training of the network. Defaults to half of `steps`: the thesis has 40,000 and 80,000.
        eval_data: function like `train_data` that makes data for evaluation, or `None` (default).
        share_features: bool, whether steps 3 and 4 follow. Defaults to False.
        train_proposals, eval_proposals: ints, of an image, for the detector's training and evaluation. Default to the
            thesis's 2000 and 1000.
        train: function like `panet_tf.train`, the default: gin gives it with its bindings.
        train_rpn: the same for the network. Defaults to `train`.
        **kwargs: of `train`. `initial_weights` and `initial_categories` are for steps 1 and 2: the others start from
            what step 2 learned, and the network's head in step 3 as `model` makes it.

    Returns:
        The detector, also saved as `model.keras` in `model_dir`: an `RCNN` with shared features, or an `UnsharedRCNN`.

    Example:
        >>> alternate_training(model=panet, train_data=train_data, proposal_data=proposal_data, model_dir="runs/apart",
        ...                    steps=80_000, rpn_steps=40_000)
    """
    folder = pathlib.Path(model_dir)
    train_rpn = train_rpn or train
    if steps is not None:
        rpn_steps = rpn_steps or -(-steps // 2)
    of_steps = {} if steps is None else {"steps": steps}
    of_rpn_steps = {} if rpn_steps is None else {"steps": rpn_steps}

    def network(name, function, **fixed):
        given = {"eval_data": None} | fixed
        if eval_data is not None:
            given |= {"eval_data": eval_data(), "evaluators": (ProposalRecall,)}
        given |= {"monitor": None, "prediction_images": 0}  # a named monitor is of the detector; recall is found
        given |= of_rpn_steps | {"train_data": train_data(), "model_dir": folder / name}
        made = train_rpn(**kwargs | given, model=function)
        paths = {"train": (proposal_data, train_proposals)}
        if eval_data is not None:
            paths["eval"] = (eval_data, eval_proposals)
        for part, (data, count) in paths.items():
            path = folder / name / f"proposals_{part}.json"
            if not path.exists():
                writer = ProposalWriter(path, fields="bbox", max_proposals=count, category_id=made.categories[0]["id"])
                evaluate(first_stage(made, count), data(), evaluators=(writer,), verbose=kwargs.get("verbose", "auto"))
        return made

    def detector(name, function, proposals, **fixed):
        given = {"eval_data": None} | fixed
        if eval_data is not None:
            path = folder / proposals / "proposals_eval.json"
            given |= {"eval_data": eval_data(proposals=path, max_proposals=eval_proposals)}
        path = folder / proposals / "proposals_train.json"
        given |= of_steps | {"train_data": train_data(proposals=path, max_proposals=train_proposals)}
        return train(**kwargs | given, model=function, model_dir=folder / name)

    first = network("1_rpn", functools.partial(proposer, assemble=model))
    second = detector("2_detector", functools.partial(fast_rcnn, assemble=model), "1_rpn")
    if not share_features:
        found = UnsharedRCNN(first=first_stage(first, eval_proposals), second=second)
    else:
        # Said, as `train` would load what it is bound to, by gin too, over the features of step 2.
        as_made = {"initial_weights": None, "initial_categories": None}
        continued = _continued(functools.partial(proposer, assemble=model), second, FEATURES)
        third = network("3_rpn", continued, **as_made)
        parts = (*FEATURES, *(part for part in second.parts if part.endswith("_head")), "box_stages")
        continued = _continued(functools.partial(fast_rcnn, assemble=model), second, parts)
        fourth = detector("4_detector", continued, "3_rpn", **as_made)
        found = joined(third, fourth)
    write_atomically(folder / "model.keras", found.save)
    return found


def _continued(function, source, parts):
    """A function that makes a model with weights of `source` in some parts, and with its features fixed."""

    def made(*, categories):
        model = function(categories=categories)
        for part in parts:
            for layer, other in zip(_layers(getattr(model, part)), _layers(getattr(source, part)), strict=True):
                for weight, value in zip(layer.weights, other.weights, strict=True):
                    weight.assign(value)
        for part in FEATURES:
            for layer in _layers(getattr(model, part)):
                layer.trainable = False
        return model

    return made


def _layers(part):
    return list(part) if isinstance(part, (list, tuple)) else [] if part is None else [part]
