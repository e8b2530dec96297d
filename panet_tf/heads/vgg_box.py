"""Box head of VGG's own fully-connected layers."""

import gin
import keras
import numpy as np
import tensorflow as tf

from panet_tf.heads.box import BoxHead
from panet_tf.heads.regions import flatten_regions
from panet_tf.weights.arrays_file import read_arrays
from panet_tf.weights.published import locate


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class VGGBoxHead(BoxHead):
    """fc6 and fc7 of VGG on regions of 7x7 cells, then class logits and box deltas (Fast R-CNN, section 2).

    Args:
        num_classes: int, K, without background.
        units: int, of both layers. Defaults to 4096.
        dropout: float, share of both layers' outputs that training leaves out. Defaults to 0.5.
        class_agnostic: bool, whether one box serves all classes. Defaults to False.

    Input: tuple of one tensor, float (B, R, 7, 7, C).
    Output: as of `BoxHead`.

    Example:
        >>> head = vgg_box_head(num_classes=80, weights="imagenet")
        >>> predictions = head(FPNLevelPooling(operator="pool")({"C4": features}, rois))
    """

    def __init__(self, *, num_classes, units=4096, dropout=0.5, class_agnostic=False, **kwargs):
        super().__init__(num_classes=num_classes, num_fcs=2, units=units, class_agnostic=class_agnostic, **kwargs)
        self.dropout = dropout
        self.dropouts = [keras.layers.Dropout(dropout, name=f"dropout{i}", dtype=self.dtype_policy) for i in (6, 7)]
        for layer in self.dropouts:
            layer.built = True

    def hidden(self, features, training=None):
        x = self.first(tuple(flatten_regions(x) for x in features), training=training)
        x = self.dropouts[0](x, training=training)
        x = self.rest[0](x, training=training)
        return self.dropouts[1](x, training=training)

    def get_config(self):
        config = super().get_config()
        for name in ("num_convs", "num_fcs", "filters", "norm", "fc_norm", "fusion", "fuse"):
            del config[name]
        return config | {"dropout": self.dropout}

    def load_fully_connected(self, path, architecture="vgg16"):
        """Sets fc6 and fc7 from a classifier's file.

        Args:
            path: file of torchvision's VGG, or `"imagenet"`, which is downloaded.
            architecture: str, whose weights `"imagenet"` means. Defaults to `"vgg16"`.

        Raises:
            ValueError: if the file has no such layers, or they are of another size.
        """
        arrays = read_arrays(locate(path, architecture))
        dense = self.first.layers[0].dense, self.rest[0].dense
        for layer, number in zip(dense, (0, 3)):
            wanted = f"classifier.{number}.weight"
            if wanted not in arrays:
                raise ValueError(f"a VGG classifier has the weights {wanted}, received {path} without them.")
            kernel = np.asarray(arrays[wanted]).T
            if number == 0:  # from channels, rows, columns to rows, columns, channels
                kernel = kernel.reshape(-1, 7, 7, kernel.shape[1]).transpose(1, 2, 0, 3).reshape(kernel.shape)
            if tuple(kernel.shape) != tuple(layer.kernel.shape):
                raise ValueError(f"{wanted} must be of the layer's {layer.kernel.shape}, received {kernel.shape}.")
            layer.kernel.assign(kernel)
            layer.bias.assign(np.asarray(arrays[f"classifier.{number}.bias"]))


@gin.register(module="panet_tf")
def vgg_box_head(*, num_classes, weights=None, channels=512, **kwargs):
    """`VGGBoxHead` with the weights of a classifier.

    Args:
        num_classes: int, K, without background.
        weights: path of torchvision's `vgg16` file, `"imagenet"` (downloaded), or `None` for fresh ones. Defaults to
            `None`.
        channels: int, of the regions' features. Defaults to 512.
        **kwargs: of `VGGBoxHead`.

    Returns:
        `VGGBoxHead`, built where it has weights.

    Example:
        >>> head = vgg_box_head(num_classes=80, weights="imagenet")
    """
    head = VGGBoxHead(num_classes=num_classes, **kwargs)
    if weights is not None:
        head(tuple([tf.zeros((1, 1, 7, 7, channels))]))
        head.load_fully_connected(weights)
    return head
