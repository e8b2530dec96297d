"""What the papers' learning-rate schedules share: a linear warm-up and the linear rule for other batch sizes."""

import gin
import keras
import tensorflow as tf


@gin.register(module="panet_tf")
def scaled_steps(steps, *, batch_size, reference_batch_size=16):
    """Number of updates that show as many images at `batch_size` as `steps` updates do at the reference batch.

    Args:
        steps: int, stated for `reference_batch_size`, e.g. 160,000.
        batch_size: int, images of one update over all replicas (times the accumulated batches); of one batch for what
            counts batches, as `train`'s `steps` do.
        reference_batch_size: int. Defaults to 16, the papers' batch.

    Returns:
        int, at least 1.

    Example:
        >>> scaled_steps(160_000, batch_size=2)
        1280000
    """
    if batch_size < 1 or reference_batch_size < 1:
        raise ValueError(f"Batch sizes must be at least 1, received {batch_size} and reference {reference_batch_size}.")
    return max(1, round(steps * reference_batch_size / batch_size))


@gin.register(module="panet_tf")
def images_of_update(batch_size, *, accumulation=1):
    """Images behind one update: what schedules take for `batch_size` where gradients of several batches accumulate.

    Args:
        batch_size: int, images of one batch over all replicas.
        accumulation: int or `None`, batches whose mean gradient makes one update, the optimizer's
            `gradient_accumulation_steps`. Defaults to 1.

    Returns:
        int.

    Raises:
        ValueError: for numbers below 1.

    Example:
        >>> images_of_update(2, accumulation=8)
        16
    """
    accumulation = 1 if accumulation is None else accumulation
    if batch_size < 1 or accumulation < 1:
        raise ValueError(f"batch_size and accumulation must be at least 1, received {batch_size} and {accumulation}.")
    return batch_size * accumulation


class WarmupSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up in front of a decay that a subclass defines; all numbers stated for a reference batch.

    The rate at update `t` is `learning_rate * batch_size / reference_batch_size * warm(t) * decay(t)`, where `warm`
    rises linearly from `warmup_factor` to 1 over `warmup_steps`. Updates are counted in the reference batch too: at a
    quarter of the batch everything lasts four times as many updates (`scale_steps=False` keeps them).

    Args:
        learning_rate: float, stated for `reference_batch_size`.
        warmup_steps: int, updates of the warm-up; 0 for none.
        warmup_factor: float, the first rate as a part of the full one.
        batch_size: int or `None`, images of one update over all replicas. `None` means the reference batch.
        reference_batch_size: int.
        scale_steps: bool, whether to stretch all counts of updates by `reference_batch_size / batch_size`.
        name: str.

    Source: Goyal et al., Accurate, Large Minibatch SGD, section 2 (linear scaling and warm-up).
    """

    def __init__(
        self, learning_rate, *, warmup_steps, warmup_factor, batch_size, reference_batch_size, scale_steps, name
    ):
        super().__init__()
        if learning_rate <= 0:
            raise ValueError(f"learning_rate must be positive, received {learning_rate}.")
        if warmup_steps < 0 or not 0 <= warmup_factor <= 1:
            raise ValueError(
                "warmup_steps must not be negative and warmup_factor must be in [0, 1], received "
                f"{warmup_steps} and {warmup_factor}."
            )
        self.learning_rate = learning_rate
        self.warmup_steps = warmup_steps
        self.warmup_factor = warmup_factor
        self.batch_size = batch_size
        self.reference_batch_size = reference_batch_size
        self.scale_steps = scale_steps
        self.name = name

    def scaled(self, steps):
        """Count of updates at the actual batch size for a count stated at the reference batch."""
        if not self.scale_steps or self.batch_size is None or not steps:
            return steps
        return scaled_steps(steps, batch_size=self.batch_size, reference_batch_size=self.reference_batch_size)

    @property
    def last_change(self):
        """Update after which the rate stays as it is, at the actual batch size."""
        return self.scaled(self.warmup_steps)

    @property
    def peak(self):
        """Rate after the warm-up, before any decay, at the actual batch size."""
        return self.learning_rate * (self.batch_size or self.reference_batch_size) / self.reference_batch_size

    def decay(self, step):
        """Factor on the peak rate at float update `step`, tensor in, tensor out."""
        raise NotImplementedError

    def __call__(self, step):
        step = tf.cast(tf.convert_to_tensor(step), "float32")
        warmup_steps = self.scaled(self.warmup_steps)
        warm = tf.constant(1.0)
        if warmup_steps:
            warm = tf.minimum(1.0, self.warmup_factor + (1.0 - self.warmup_factor) * step / warmup_steps)
        return self.peak * warm * self.decay(step)

    def get_config(self):
        return {
            "learning_rate": self.learning_rate,
            "warmup_steps": self.warmup_steps,
            "warmup_factor": self.warmup_factor,
            "batch_size": self.batch_size,
            "reference_batch_size": self.reference_batch_size,
            "scale_steps": self.scale_steps,
            "name": self.name,
        }
