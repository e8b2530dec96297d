"""A learning-rate schedule for short recipes."""

import math

import gin
import keras
import tensorflow as tf

from panet_tf.training.warmup_schedule import WarmupSchedule


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class WarmupCosineDecay(WarmupSchedule):
    """Linear warm-up, then half a cosine down to `final_factor` of the peak at `steps`, and constant after it.

    Args:
        learning_rate: float, for `reference_batch_size` images an update. Defaults to 0.02.
        steps: int, updates from the first to the last, the warm-up included.
        final_factor: float, the last rate as a part of the peak. Defaults to 0.
        warmup_steps: int. Defaults to 500.
        warmup_factor: float. Defaults to 1/3.
        batch_size: int or `None`, images of one update over all replicas; `None` (default) means the reference batch.
        reference_batch_size: int. Defaults to 16.
        scale_steps: bool, stretch `steps` and the warm-up for other batch sizes too. Defaults to `True`.
        name: str.

    Example:
        >>> WarmupCosineDecay(0.01, steps=1_000, warmup_steps=100)(1_000)
        0.0

    Source: Loshchilov and Hutter, SGDR, equation 5, without restarts.
    """

    def __init__(
        self,
        learning_rate=0.02,
        *,
        steps,
        final_factor=0.0,
        warmup_steps=500,
        warmup_factor=1 / 3,
        batch_size=None,
        reference_batch_size=16,
        scale_steps=True,
        name="warmup_cosine_decay",
    ):
        super().__init__(
            learning_rate,
            warmup_steps=warmup_steps,
            warmup_factor=warmup_factor,
            batch_size=batch_size,
            reference_batch_size=reference_batch_size,
            scale_steps=scale_steps,
            name=name,
        )
        if steps <= warmup_steps:
            raise ValueError(f"steps must be more than warmup_steps, received {steps} and {warmup_steps}.")
        self.steps = steps
        self.final_factor = final_factor

    @property
    def last_change(self):
        return self.scaled(self.steps)

    def decay(self, step):
        start, end = self.scaled(self.warmup_steps), self.scaled(self.steps)
        part = tf.clip_by_value((step - start) / (end - start), 0.0, 1.0)
        return self.final_factor + (1.0 - self.final_factor) * 0.5 * (1.0 + tf.cos(math.pi * part))

    def get_config(self):
        return {**super().get_config(), "steps": self.steps, "final_factor": self.final_factor}
