"""A model that finds one bright and one dark rectangle, so that geometry is checked through the whole predictor."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("panet_tf_tests")
class FakeModel(keras.Model):
    """Boxes of the pixels brighter than 200 (class 2) and darker than 40 (class 1), by the inputs alone.

    It sees what a network sees (normalised, resized, padded images) and answers in original pixels.
    """

    def __init__(self, categories, preprocessing=None, **kwargs):
        super().__init__(**kwargs)
        self.categories = tuple(categories)
        self.preprocessing = preprocessing
        self.traces = []
        self.built = True

    def call(self, inputs, training=None):
        images = inputs["images"]
        self.traces.append(tuple(images.shape))
        grey = tf.reduce_mean(images, -1)
        rows, columns = (tf.range(side, dtype=tf.float32) for side in images.shape[1:3])
        sizes = inputs["image_sizes"]
        shown = (rows[:, None] < sizes[:, :1, None]) & (columns < sizes[:, 1:, None])
        boxes = [self._box(shown & bright) for bright in (grey > 200.0, grey < 40.0)]
        boxes = tf.stack(boxes + [tf.zeros_like(boxes[0])], axis=1) / tf.tile(inputs["scales"], (1, 2))[:, None]
        batch = tf.shape(images)[0]
        return {
            "boxes": boxes + tf.tile(inputs["offsets"], (1, 2))[:, None],
            "scores": tf.tile([[0.6, 0.9, 0.0]], (batch, 1)),
            "classes": tf.tile([[2, 1, 0]], (batch, 1)),
            "masks": tf.ones((batch, 3, 28, 28)),
            "num_detections": tf.fill((batch,), 2),
            "image_ids": inputs["image_ids"],
        }

    @staticmethod
    def _box(mask):
        """yxyx of the pixels that are set, in each image of a batch."""

        def span(line):
            size = tf.shape(line)[1]
            low = tf.argmax(line, axis=-1, output_type=tf.int32)
            high = size - tf.argmax(tf.reverse(line, [1]), axis=-1, output_type=tf.int32)
            return tf.cast(low, tf.float32), tf.cast(high, tf.float32)

        mask = tf.cast(mask, tf.int32)
        top, bottom = span(tf.reduce_max(mask, axis=2))
        left, right = span(tf.reduce_max(mask, axis=1))
        return tf.stack([top, left, bottom, right], axis=-1)

    def get_config(self):
        preprocessing = self.preprocessing and keras.saving.serialize_keras_object(self.preprocessing)
        return {"categories": [dict(category) for category in self.categories], "preprocessing": preprocessing}

    @classmethod
    def from_config(cls, config):
        return cls(config["categories"], keras.saving.deserialize_keras_object(config["preprocessing"]))


@keras.saving.register_keras_serializable("panet_tf_tests")
class FakePanopticModel(FakeModel):
    """`FakeModel` with a map: bright pixels in slot 2, dark ones in slot 0, all others stuff in slot 3."""

    @property
    def panoptic_categories(self):
        stuff = {"id": 200, "name": "grey", "isthing": 0}
        return (stuff, *({**category, "isthing": 1} for category in self.categories))

    def call(self, inputs, training=None):
        grey = tf.reduce_mean(inputs["images"], -1)
        labels = tf.where(grey > 200.0, 3, tf.where(grey < 40.0, 1, 4))
        batch = tf.shape(grey)[0]
        return super().call(inputs) | {
            "panoptic": labels,
            "segment_classes": tf.tile([[2, 0, 3, 1]], (batch, 1)),
            "segment_scores": tf.tile([[0.9, 0.0, 0.6, 0.8]], (batch, 1)),
            "original_sizes": inputs["original_sizes"],
        }
