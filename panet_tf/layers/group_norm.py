"""Group normalisation for any number of channels."""

import math

import gin
import keras


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class GroupNorm(keras.layers.GroupNormalization):
    """Group normalisation with the numbers of its paper (Wu and He, 2018) and of every detector that uses it.

    Keras's own defaults to epsilon 1e-3, and refuses channels that the groups do not divide. Statistics are float32
    under any policy.

    Args:
        groups: int, wanted groups. Where it does not divide the channels, the greatest common divisor of the two is
            used (48 channels: 16 groups). Defaults to 32.
        epsilon: float, added to the variance. Defaults to 1e-5.
        **kwargs: of `keras.layers.GroupNormalization`.

    Input: float (batch, ..., channels).
    Output: of the same shape.

    Example:
        >>> x = GroupNorm()(tf.ones((1, 8, 8, 64)))
    """

    def __init__(self, *, groups=32, epsilon=1e-5, **kwargs):
        super().__init__(groups=groups, epsilon=epsilon, **kwargs)
        self.wanted_groups = groups

    def build(self, input_shape):
        self.groups = math.gcd(self.wanted_groups, input_shape[self.axis])
        super().build(input_shape)

    def get_config(self):
        return {**super().get_config(), "groups": self.wanted_groups}
