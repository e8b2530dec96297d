"""From one image of any size to what the network takes: what prediction shares with the input pipeline of training."""

import gin
import keras
import tensorflow as tf

from panet_tf.data.batching import check_canvases, pad_to_canvas
from panet_tf.data.resizing import choose_canvas, plan_window, resize_scale, scaled_size


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class Preprocessing:
    """Resizes, normalises and pads images as evaluation does. A trained model carries one, to predict as it was tested.

    The short side becomes `short_side` unless the long side then exceeds `long_side`; the image is padded with zeros,
    after normalisation, at the bottom and right of the smallest canvas that holds it. All of it is TensorFlow, so it
    exports.

    Args:
        canvases: tuple of (height, width), multiples of 32. Defaults to landscape and portrait of 800 x 1344.
        short_side: `None` (images keep their size) or pixels. Defaults to 800.
        long_side: `None` or pixels. Defaults to 1333.
        mean, std: three numbers each, of R, G, B in 0..255. Default to ImageNet's.
        antialias: bool, low-pass before shrinking. Defaults to False.
        truncate: bool, whether fractions of resized sides are cut off, as torchvision does, not rounded. Defaults to
            False.

    Raises:
        ValueError: if a canvas is no multiple of 32.

    Example:
        >>> inputs = Preprocessing(canvases=((256, 256),), short_side=None)(image, canvas=(256, 256))
    """

    def __init__(
        self,
        *,
        canvases=((800, 1344), (1344, 800)),
        short_side=800,
        long_side=1333,
        mean=(123.675, 116.28, 103.53),
        std=(58.395, 57.12, 57.375),
        antialias=False,
        truncate=False,
    ):
        self.canvases = check_canvases(canvases)
        self.short_side = short_side
        self.long_side = long_side
        self.mean = tuple(map(float, mean))
        self.std = tuple(map(float, std))
        self.antialias = antialias
        self.truncate = truncate

    def resized(self, size):
        """Height and width that an image would like to have in the network.

        Args:
            size: (2,), its own height and width.

        Returns:
            float32 (2,), whole pixels.
        """
        size = tf.cast(size, tf.float32)
        return scaled_size(size, resize_scale(size, self.short_side, self.long_side), self.truncate)

    def canvas_index(self, resized):
        """The smallest canvas that holds all of some images, or the one that shrinks them least where none does.

        Args:
            resized: float32 (..., 2), what `resized` gave for each image.

        Returns:
            int64 scalar, index into `canvases`.
        """
        return choose_canvas(tf.reduce_max(tf.reshape(resized, (-1, 2)), axis=0), self.canvases)

    def __call__(self, image, canvas):
        """What the network takes for one image.

        Args:
            image: uint8 or float (h, w, 3), RGB in 0..255.
            canvas: (height, width), int; an image that exceeds it is shrunk further.

        Returns:
            Dict of `images` float32 (H, W, 3) and float32 (2,) `image_sizes`, `original_sizes`, `scales`, `offsets`.
        """
        size = tf.cast(tf.shape(image)[:2], tf.float32)
        scale = resize_scale(size, self.short_side, self.long_side)
        _, shown = plan_window(size, tf.zeros(3), scale, tf.cast(canvas, tf.float32), truncate=self.truncate)
        resized = tf.image.resize(tf.cast(image, tf.float32), shown, antialias=self.antialias)
        images = pad_to_canvas((resized - self.mean) / self.std, tf.convert_to_tensor(canvas))
        return {
            "images": tf.ensure_shape(images, (*tf.get_static_value(tf.convert_to_tensor(canvas)), 3)),
            "image_sizes": tf.cast(shown, tf.float32),
            "original_sizes": size,
            "scales": tf.cast(shown, tf.float32) / size,
            "offsets": tf.zeros(2),
        }

    def get_config(self):
        return {
            "canvases": self.canvases,
            "short_side": self.short_side,
            "long_side": self.long_side,
            "mean": self.mean,
            "std": self.std,
            "antialias": self.antialias,
            "truncate": self.truncate,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)
