"""Random brightness, contrast and saturation."""

import gin
import tensorflow as tf


@gin.register(module="panet_tf")
class ColorJitter:
    """Changes brightness, contrast and saturation of a training image at random, in this order.

    Each is a factor drawn uniformly from [1 - amount, 1 + amount]: brightness scales the image, contrast moves it
    away from its mean grey, saturation each pixel away from its own grey. Values are clipped to 0..255 once, at the
    end.

    Args:
        brightness: number in [0, 1). Defaults to 0.2.
        contrast: number in [0, 1). Defaults to 0.2.
        saturation: number in [0, 1). Defaults to 0.2.
        probability: how likely an image is changed at all. Defaults to 1.
    """

    def __init__(self, *, brightness=0.2, contrast=0.2, saturation=0.2, probability=1.0):
        amounts = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
        for name, amount in amounts.items():
            if not 0.0 <= amount < 1.0:
                raise ValueError(f"`{name}` must be at least 0 and below 1, received {amount}.")
        if not 0.0 <= probability <= 1.0:
            raise ValueError(f"`probability` must be between 0 and 1, received {probability}.")
        self.amounts, self.probability = tuple(amounts.values()), probability

    def __call__(self, sample, seed):
        """Returns the sample with its image, as float32, changed as the int32 (2,) `seed` decides."""
        noise = tf.random.stateless_uniform((4,), seed, minval=-1.0, maxval=1.0)
        brightness, contrast, saturation = tf.unstack(1.0 + noise[:3] * self.amounts)
        image = tf.cast(sample["image"], tf.float32)

        def jittered():
            bright = image * brightness
            grey = tf.reduce_sum(bright * (0.299, 0.587, 0.114), axis=-1, keepdims=True)
            # Both mixes are linear, so one pass over the image does the two.
            return tf.clip_by_value(
                contrast * (saturation * bright + (1.0 - saturation) * grey) + (1.0 - contrast) * tf.reduce_mean(grey),
                0.0,
                255.0,
            )

        return {**sample, "image": tf.cond(noise[3] < 2.0 * self.probability - 1.0, jittered, lambda: image)}
