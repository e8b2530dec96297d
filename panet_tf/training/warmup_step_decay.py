"""The learning-rate schedule of nearly every two-stage detector."""

import gin
import keras
import tensorflow as tf

from panet_tf.training.warmup_schedule import WarmupSchedule


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class WarmupStepDecay(WarmupSchedule):
    """Linear warm-up, then the rate is multiplied by `gamma` at each boundary.

    Args:
        learning_rate: float, for `reference_batch_size` images an update. Defaults to 0.02.
        boundaries: tuple of int, updates at which the rate drops. Defaults to `(120_000,)`, PANet's for masks on COCO.
        gamma: float, factor at each boundary. Defaults to 0.1.
        warmup_steps: int. Defaults to 500.
        warmup_factor: float, the first rate as a part of the full one. Defaults to 1/3.
        batch_size: int or `None`, images of one update over all replicas; `None` (default) means the reference batch.
        reference_batch_size: int. Defaults to 16.
        scale_steps: bool, stretch boundaries and warm-up for other batch sizes too. Defaults to `True`.
        name: str.

    Example:
        >>> WarmupStepDecay(boundaries=(60_000, 80_000), batch_size=2)(1_000_000)  # 0.02 / 8, beyond both boundaries
        2.5e-05

    With accumulated gradients, `batch_size` is `images_of_update(images of a batch, accumulation=...)`.

    Source: PANet section 4.2; the warm-up is Detectron's (500 updates from a third).
    """

    def __init__(
        self,
        learning_rate=0.02,
        *,
        boundaries=(120_000,),
        gamma=0.1,
        warmup_steps=500,
        warmup_factor=1 / 3,
        batch_size=None,
        reference_batch_size=16,
        scale_steps=True,
        name="warmup_step_decay",
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
        if list(boundaries) != sorted(boundaries):
            raise ValueError(f"boundaries must rise, received {boundaries}.")
        self.boundaries = tuple(boundaries)
        self.gamma = gamma

    @property
    def last_change(self):
        return self.scaled(self.boundaries[-1]) if self.boundaries else super().last_change

    def decay(self, step):
        passed = [tf.cast(step >= self.scaled(boundary), "float32") for boundary in self.boundaries]
        return tf.pow(self.gamma, tf.add_n(passed)) if passed else tf.constant(1.0)

    def get_config(self):
        return {**super().get_config(), "boundaries": self.boundaries, "gamma": self.gamma}
