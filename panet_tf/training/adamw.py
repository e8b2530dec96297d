"""AdamW with the exclusions that detection recipes expect."""

import gin
import keras


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class AdamW(keras.optimizers.AdamW):
    """`keras.optimizers.AdamW` that never decays norms and biases.

    Everything but the exclusion is Keras's own. In particular clipping is applied to each replica's gradient before the
    sum, schedules count batches under `gradient_accumulation_steps`, and accumulation does not run under a strategy of
    several replicas: `panet_tf.training.SGD` has none of these limits.

    Args:
        learning_rate: float or `LearningRateSchedule`. Defaults to 1e-4.
        weight_decay: float, decoupled. Defaults to 0.05.
        exclude_from_decay: tuple of str, variables with one of these in their name are not decayed. Defaults to
            `("gamma", "beta", "bias")`.
        **kwargs: of `keras.optimizers.AdamW`.

    Example:
        >>> model.compile(optimizer=AdamW(1e-4, weight_decay=0.05))

    Source: Loshchilov and Hutter, Decoupled Weight Decay Regularization.
    """

    def __init__(
        self, learning_rate=1e-4, *, weight_decay=0.05, exclude_from_decay=("gamma", "beta", "bias"), **kwargs
    ):
        super().__init__(learning_rate=learning_rate, weight_decay=weight_decay, **kwargs)
        self.exclude_from_decay = tuple(exclude_from_decay)
        self.exclude_from_weight_decay(var_names=list(self.exclude_from_decay))

    def get_config(self):
        return {**super().get_config(), "exclude_from_decay": self.exclude_from_decay}
