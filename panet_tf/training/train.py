"""One function from a configuration to a trained model."""

import inspect
import json
import math
import pathlib
import sys

import gin
import keras
import tensorflow as tf

from panet_tf.inference.preprocessing_check import other_settings
from panet_tf.training.atomic_write import write_atomically
from panet_tf.training.checkpointing import Checkpointing
from panet_tf.training.evaluate import check_categories_match, evaluate
from panet_tf.training.evaluation_callback import EvaluationCallback
from panet_tf.training.history_file import HistoryFile
from panet_tf.training.initial_weights import load_initial_weights
from panet_tf.training.left_out import LeftOut
from panet_tf.training.merging import check_context_matches
from panet_tf.training.operative_config import OperativeConfig
from panet_tf.training.prediction_images import PredictionImages
from panet_tf.training.progress_lines import ProgressLines
from panet_tf.training.run_control import RunControl
from panet_tf.training.run_lock import only_run_in
from panet_tf.training.run_record import record_run
from panet_tf.training.sgd import SGD, warn_of_other_updates
from panet_tf.training.strategies import check_strategy, make_strategy
from panet_tf.training.tensorboard_logs import TensorBoardLogs


@gin.register(module="panet_tf")
def train(
    *,
    model,
    train_data,
    model_dir,
    steps,
    steps_per_epoch=None,
    optimizer=None,
    eval_data=None,
    evaluators=None,
    evaluate_every=1,
    validation_losses=False,
    prediction_images=4,
    strategy="one_device",
    devices=None,
    dtype_policy="float32",
    jit_compile=False,
    seed=0,
    deterministic=False,
    initial_weights=None,
    initial_categories=None,
    monitor=None,
    keep_checkpoints=3,
    final_weights="last",
    max_minutes=None,
    callbacks=(),
    refuse_changes=False,
    verbose="auto",
):
    """Trains a model, evaluates it on the way, and leaves everything in `model_dir`.

    Run it again with the same `model_dir` and it continues after the last finished epoch, on the data that would have
    come next; it ends where the uninterrupted run ends. With nothing left to train it restores the model and writes
    the final files again, which a kill may have prevented. What was configured differently the last time is printed.

    `model_dir` holds `model.keras` (written at the end), `checkpoints/` (weights, optimizer and counters; the last few
    and the best), `history.csv`, `metrics.json` (the last row and the best AP), `logs/` (TensorBoard: losses, AP,
    learning rate, images of predictions beside the ground truth), `images/`, `operative_config.gin` and `run.json`
    (model, optimizer and arguments of the call that trained last).

    Args:
        model: function of `categories` (and `panoptic_categories`, of panoptic models) that makes the model, called
            inside the strategy's scope after seed and dtype policy are set (`panet_tf.models.panet`, a gin reference
            `@panet`, `functools.partial(panet, norm="group")`); or a built `keras.Model`.
        train_data: `panet_tf.data.DetectionData` made for training: `categories`, `batch_size`, and `dataset(step=k)`,
            which goes on where step k would be.
        model_dir: path of the run's folder.
        steps: int, training batches of the whole run.
        steps_per_epoch: int, batches between evaluations and checkpoints; a kill loses at most that many. Defaults to a
            twentieth of `steps`. An epoch here is not a pass over the data.
        optimizer: function without arguments that makes the optimizer (`@panet_tf.SGD`), or an optimizer, rebuilt from
            its config. Defaults to `panet_tf.training.SGD()`, or the one that a built model was compiled with.
        eval_data: `DetectionData` made for evaluation, or `None` for no AP.
        evaluators: as in `panet_tf.training.evaluate`. Defaults to COCO's for boxes and masks.
        evaluate_every: int, epochs between evaluations. Defaults to 1.
        validation_losses: bool, also compute the losses on `eval_data` every epoch. Defaults to `False`.
        prediction_images: int, how many images of `eval_data` to draw at every evaluation. Defaults to 4.
        strategy, devices: as in `make_strategy`. Defaults to `"one_device"`.
        dtype_policy: str, e.g. `"mixed_bfloat16"`. Defaults to `"float32"`. For a model made by a function.
        jit_compile: bool, compile the train step with XLA. Defaults to `False`.
        seed: int of weights, of everything random in Keras, and of what a model made by a function samples; the data
            have their own `seed`. Defaults to 0.
        deterministic: bool, ask TensorFlow for reproducible kernels (slower; stays on in this process). Defaults to
            `False`.
        initial_weights: path of a `.keras` or `.weights.h5` file to start from, a model, or a function that makes one
            (`@from_preset`); layers that do not fit are left as they are and listed. Of other categories, the heads'
            channels are taken by name (`load_initial_weights`). Not read on resumption.
        initial_categories: dict from names of categories to those of `initial_weights` that they start from, where
            they are not the same: `{"rider": "person"}`. Defaults to no others.
        monitor: key of the logs whose highest value marks the best checkpoint. Defaults to panoptic quality where it is
            measured, else Cityscapes' AP, else mask AP, else box AP. Every evaluation must measure one that is named.
        keep_checkpoints: int. Defaults to 3.
        final_weights: `"last"` or `"best"`, what `model.keras` and the returned model hold. Defaults to `"last"`. Where
            nothing was the best, as the monitor was never measured, it is the last, and is said.
        max_minutes: float or `None`, end the run cleanly after this much time, whatever `steps` says.
        callbacks: tuple of `keras.callbacks.Callback`, run after the evaluation and before the checkpoint. A run that
            one of them ends after a whole epoch, such as `keras.callbacks.EarlyStopping`, is finished; with other
            `steps` it goes on after that. One ended within an epoch is interrupted, and goes on in any case.
            `model.keras` holds what they leave at the end (`restore_best_weights`), `metrics.json` what the last epoch
            measured.
            Their own counters, of patience for instance, start anew on resumption.
        refuse_changes: bool, refuse a finished run that was configured differently, where it would only be restored:
            its numbers are not of this configuration. Defaults to `False`.
        verbose: `"auto"` (a bar in a terminal, else a line now and then), `True` for the bar, `False` for nothing.

    Returns:
        The trained `keras.Model`; `model.history` is this call's, `history.csv` the whole run's.

    Raises:
        ValueError: for arguments that cannot work together, or while another process trains in `model_dir`, before the
            first step; after the first evaluation where it does not measure `monitor`; and as `refuse_changes` says.
        FloatingPointError: when the loss is not finite.

    Example:
        >>> train(model=panet, train_data=train_data, eval_data=eval_data, model_dir="run", steps=9000,
        ...       optimizer=SGD(WarmupStepDecay(batch_size=4, boundaries=(6000, 8000), scale_steps=False)))
    """
    arguments = locals()
    if steps < 1 or (steps_per_epoch is not None and steps_per_epoch < 1):
        raise ValueError(f"steps and steps_per_epoch must be at least 1, received {steps} and {steps_per_epoch}.")
    if final_weights not in ("last", "best"):
        raise ValueError(f'final_weights must be "last" or "best", received {final_weights!r}.')
    with only_run_in(model_dir):
        return _train(**arguments)


def _train(
    *,
    model,
    train_data,
    model_dir,
    steps,
    steps_per_epoch,
    optimizer,
    eval_data,
    evaluators,
    evaluate_every,
    validation_losses,
    prediction_images,
    strategy,
    devices,
    dtype_policy,
    jit_compile,
    seed,
    deterministic,
    initial_weights,
    initial_categories,
    monitor,
    keep_checkpoints,
    final_weights,
    max_minutes,
    callbacks,
    refuse_changes,
    verbose,
):
    """`train`, in a folder that is this process's alone."""
    steps_per_epoch = min(steps, steps_per_epoch or math.ceil(steps / 20))
    model_dir = pathlib.Path(model_dir)
    strategy = make_strategy(strategy, devices)
    check_strategy(strategy, jit_compile=jit_compile, batch_size=getattr(train_data, "batch_size", None))
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    checkpointing = Checkpointing(model_dir / "checkpoints", keep=keep_checkpoints, monitor=monitor)
    with strategy.scope():
        model = _make_model(model, train_data, strategy, dtype_policy, seed)
        if initial_weights is not None and checkpointing.newest()[1] is None:
            # Before compile: a file's optimizer is not wanted.
            load_initial_weights(model, initial_weights, category_names=initial_categories)
        _compile(model, optimizer, jit_compile)
        warn_of_other_updates(model.optimizer, getattr(train_data, "batch_size", None))
        state = checkpointing.restore(model)
    for data in (train_data, eval_data):
        if data is not None:
            check_categories_match(model, data)
    for data in (train_data, eval_data if validation_losses else None):
        check_context_matches(model, data)
    if eval_data is None and final_weights == "best":
        raise ValueError('final_weights="best" needs eval_data, which is None.')
    shown = getattr(eval_data, "preprocessing", None) or getattr(train_data, "preprocessing", None)
    if hasattr(model, "preprocessing") and shown is not None:
        if model.preprocessing is None or other_settings(model.preprocessing, shown):
            model.preprocessing = shown  # a model from a file, too, is to be used on what it learns from
    ended = checkpointing.ended(state)
    state = state or {"epoch": 0, "step": 0, "minutes": 0.0}
    arguments = dict(steps=steps, steps_per_epoch=steps_per_epoch, seed=seed, dtype_policy=dtype_policy)
    arguments |= dict(jit_compile=jit_compile, max_minutes=max_minutes, replicas=strategy.num_replicas_in_sync)
    control = RunControl(steps, start_step=state["step"], max_minutes=max_minutes, start_minutes=state["minutes"])
    stopped = ended is not None and ended["stopped"] == steps  # by a callback; other `steps` go on
    finished = control.finished or stopped
    if finished and ended is not None:
        checkpointing.restore_ended(model, ended)
    already = {"resumed": bool(state["step"]), "finished": finished}
    changed = record_run(model_dir / "run.json", model, train_data, arguments, **already, verbose=verbose)
    if refuse_changes and finished and changed:
        raise ValueError(
            f"{model_dir} must be a run of these settings, received one that was finished with others:\n"
            + "\n".join(changed)
            + "\nGive the new runs another folder, or delete this one to train it anew."
        )
    history = HistoryFile(model_dir / "history.csv", start_epoch=state["epoch"])
    if not finished:
        if verbose and state["step"]:
            print(f"Continuing {model_dir} after epoch {state['epoch']}, step {state['step']} of {steps}.")
        bar = verbose is True or (verbose == "auto" and sys.stdout.isatty())
        evaluation = []
        if eval_data is not None:
            evaluation.append(
                EvaluationCallback(eval_data, evaluators=evaluators, every=evaluate_every, verbose=verbose)
            )
            checkpointing.evaluation = evaluation[0]
            if prediction_images:
                evaluation.append(PredictionImages(eval_data, model_dir, count=prediction_images, every=evaluate_every))
        model.fit(
            train_data.dataset(step=state["step"]),
            epochs=state["epoch"] + math.ceil((steps - state["step"]) / steps_per_epoch),
            initial_epoch=state["epoch"],
            steps_per_epoch=steps_per_epoch,
            shuffle=False,  # the data set does that; Keras warns otherwise
            validation_data=eval_data.dataset() if eval_data is not None and validation_losses else None,
            verbose=1 if bar else 0,
            callbacks=[
                control,
                *evaluation,
                *callbacks,
                OperativeConfig(model_dir, model_dir / "logs"),
                TensorBoardLogs(model_dir / "logs"),
                history,
                checkpointing,  # last: what it has written is whole, logs and history included
                *([ProgressLines(control, seconds=None if bar else 30.0), LeftOut(train_data)] if verbose else []),
            ],
        )
        if callbacks:
            # Within an epoch it is an interruption, from which the same command goes on.
            whole = (control.step - state["step"]) % steps_per_epoch == 0
            stopped = model.stop_training and not control.ended and whole
            checkpointing.write_ended(stopped=steps if stopped else None)
    elif verbose:
        why = ", where a callback ended it (other steps go on)" if stopped and not control.finished else ""
        where = f"step {state['step']} of {steps}{why}, {state['minutes']:.1f} min"
        print(f"{model_dir} is finished: {where}. Nothing to do.")
    # Of a finished run too: it may have been killed between its last checkpoint and these files.
    metrics = history.last_row()
    if metrics is None and not (model_dir / "metrics.json").exists():
        metrics = _measured(model, eval_data, evaluators, state, verbose)
    if metrics is not None:
        metrics["best"] = checkpointing.best
        write_atomically(model_dir / "metrics.json", json.dumps(metrics, indent=2) + "\n")
    if final_weights == "best" and checkpointing.best_path.exists():
        model.load_weights(checkpointing.best_path)
    elif final_weights == "best":  # said, not refused: the training was long
        named = "no monitor" if monitor is None else f"the monitor {monitor!r} never"
        print(f'{model_dir}: final_weights="best", but {named} was measured: model.keras holds the last weights.')
    write_atomically(model_dir / "model.keras", model.save)
    return model


def _make_model(model, train_data, strategy, dtype_policy, seed):
    """The built model, made by a function inside the scope or taken as it is."""
    if isinstance(model, keras.Model):
        if strategy.num_replicas_in_sync > 1 and model.distribute_strategy is not strategy:
            raise ValueError(
                "A built model must have been built in the scope of the strategy that trains it. Give train() a "
                "function of `categories` that builds it, or the strategy object itself; received "
                f"{model.name} and {strategy}."
            )
        return model
    previous = keras.config.dtype_policy()
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(dtype_policy)
    try:
        categories = {"categories": train_data.categories}
        if "panoptic_categories" in inspect.signature(model).parameters:  # one that predicts stuff too
            categories["panoptic_categories"] = getattr(train_data, "panoptic_categories", None)
        built = model(**categories)
    finally:
        keras.config.set_dtype_policy(previous)
    if hasattr(built, "seed"):  # of what a detector samples: one seed for the run
        built.seed = seed
    return built


def _measured(model, eval_data, evaluators, state, verbose):
    """What can be said of a finished run whose `history.csv` is gone: its losses cannot."""
    metrics = {name: state[name] for name in ("epoch", "step", "minutes")}
    if eval_data is not None:
        results = evaluate(model, eval_data, evaluators=evaluators, verbose=verbose)
        metrics |= {f"val_{name}": value for name, value in results.items()}
    return metrics


def _compile(model, optimizer, jit_compile):
    """Compiles the model with an optimizer made in the current scope, and creates the optimizer's variables."""
    if optimizer is None and model.compiled:
        optimizer = model.optimizer
    elif optimizer is None:
        optimizer = SGD()
    elif isinstance(optimizer, keras.optimizers.Optimizer):
        optimizer = type(optimizer).from_config(optimizer.get_config())  # its variables belong to another scope
    elif callable(optimizer):
        optimizer = optimizer()
    model.compile(optimizer=optimizer, jit_compile=jit_compile)
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
