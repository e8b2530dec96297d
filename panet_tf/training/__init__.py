"""Strategies, schedules, optimizers, callbacks and the functions that scripts and notebooks call."""

from panet_tf.training.adamw import AdamW
from panet_tf.training.checkpointing import Checkpointing
from panet_tf.training.evaluate import check_categories_match, evaluate
from panet_tf.training.evaluation_callback import EvaluationCallback
from panet_tf.training.prediction_images import PredictionImages
from panet_tf.training.sgd import SGD
from panet_tf.training.strategies import make_strategy
from panet_tf.training.tensorboard_logs import TensorBoardLogs
from panet_tf.training.train import train
from panet_tf.training.warmup_cosine_decay import WarmupCosineDecay
from panet_tf.training.warmup_schedule import images_of_update, scaled_steps
from panet_tf.training.warmup_step_decay import WarmupStepDecay

__all__ = [
    "SGD",
    "AdamW",
    "Checkpointing",
    "EvaluationCallback",
    "PredictionImages",
    "TensorBoardLogs",
    "WarmupCosineDecay",
    "WarmupStepDecay",
    "check_categories_match",
    "evaluate",
    "images_of_update",
    "make_strategy",
    "scaled_steps",
    "train",
]
