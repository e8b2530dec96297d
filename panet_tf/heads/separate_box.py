"""Box heads with weights of their own on each level."""

import gin
import keras
import tensorflow as tf

from panet_tf.heads.box import BoxHead


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class SeparateBoxHeads(keras.layers.Layer):
    """One `BoxHead` a level, for comparison with the one that all levels share (the thesis, section 4.4.2).

    It goes with `FPNLevelPooling(with_levels=True)`. Every head sees all regions and answers for those of its level, so
    it costs as many heads as there are levels.

    Args:
        num_classes: int, K, without background.
        num_levels: int, levels that regions are pooled from. Defaults to 4, P2 to P5.
        **kwargs: of `BoxHead`, for each.

    Input: tuple of features, float (B, R, S, S, C), and levels, (B, R, 1, 1, 1), numbers from 0 on.
    Output: as of `BoxHead`.

    Example:
        >>> pooling = FPNLevelPooling(output_size=7, with_levels=True)
        >>> model = faster_rcnn(categories=categories, box_pooling=pooling, box_head=SeparateBoxHeads)
    """

    takes_levels = True

    def __init__(self, *, num_classes, num_levels=4, **kwargs):
        own = {key: kwargs.pop(key) for key in ("name", "dtype", "trainable") if key in kwargs}
        super().__init__(**own)
        self.num_classes = num_classes
        self.options = kwargs
        policy = self.dtype_policy
        self.heads = [
            BoxHead(num_classes=num_classes, name=f"level{i}", dtype=policy, **kwargs) for i in range(num_levels)
        ]

    def build(self, input_shape):
        for head in self.heads:
            if not head.built:
                head.build((input_shape[0],))

    def call(self, features, training=None):
        features, levels = features
        found = self.heads[0]((features,), training=training)
        for number, head in enumerate(self.heads[1:], start=1):
            here = tf.cast(levels, tf.int32) == number
            own = head((features,), training=training)
            found = {
                "class_logits": tf.where(here[:, :, :, 0, 0], own["class_logits"], found["class_logits"]),
                "box_deltas": tf.where(here[..., 0], own["box_deltas"], found["box_deltas"]),
            }
        return found

    def get_config(self):
        config = {**super().get_config(), "num_classes": self.num_classes, "num_levels": len(self.heads)}
        return config | self.options
