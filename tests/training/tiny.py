"""A model and data of the real protocol that train in a moment."""

import keras
import numpy as np
import tensorflow as tf

from panet_tf.models.detector import Detector

CATEGORIES = ({"id": 7, "name": "bright"}, {"id": 3, "name": "dark"})


@keras.saving.register_keras_serializable("panet_tf_tests")
class TinyDetector(Detector):
    """One box per image from globally pooled features; with a synchronised batch norm and two named losses."""

    def __init__(self, *, categories=CATEGORIES, norm=True, **kwargs):
        super().__init__(categories=categories, loss_names=("class_loss", "box_loss"), **kwargs)
        self.norm = norm
        self.conv = keras.layers.Conv2D(8, 3, strides=2, padding="same", name="conv")
        self.bn = keras.layers.BatchNormalization(synchronized=True, name="bn") if norm else None
        self.class_head = keras.layers.Dense(len(self.categories) + 1, dtype="float32", name="class_head")
        self.box_head = keras.layers.Dense(4, dtype="float32", name="box_head")
        self.conv.build((None, 8, 8, 3))
        if norm:
            self.bn.build((None, 4, 4, 8))
        self.class_head.build((None, 8))
        self.box_head.build((None, 8))
        self.built = True

    def build(self, input_shape=None):
        pass

    def call(self, inputs, training=False):
        features = self.conv(tf.cast(inputs["images"], self.compute_dtype))
        if self.norm:
            features = self.bn(features, training=training)
        features = tf.reduce_mean(tf.nn.relu(tf.cast(features, "float32")), (1, 2))
        logits, boxes = self.class_head(features), self.box_head(features) * 8
        outputs = {}
        if "boxes" in inputs:
            real = tf.cast(inputs["image_ids"] >= 0, "float32")
            classes = inputs["classes"][:, 0]
            cross = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=classes, logits=logits)
            present = real * tf.cast(classes > 0, "float32")
            error = tf.reduce_sum(tf.abs(boxes - inputs["boxes"][:, 0]) / 8, -1)
            outputs["losses"] = {
                "class_loss": (tf.reduce_sum(cross * real), tf.reduce_sum(real)),
                "box_loss": (tf.reduce_sum(error * present), tf.reduce_sum(present)),
            }
        if not (training and "boxes" in inputs):
            scores = tf.nn.softmax(logits)[:, 1:]
            outputs |= {
                "boxes": boxes[:, None],
                "scores": tf.reduce_max(scores, -1, keepdims=True),
                "classes": tf.cast(tf.argmax(scores, -1) + 1, "int32")[:, None],
                "image_ids": inputs["image_ids"],
            }
        return outputs

    max_detections = 1

    def get_config(self):
        return {**super().get_config(), "norm": self.norm}


class TinyData:
    """Noise images with a bright or dark box; `dataset(step=k)` goes on where step k would be."""

    def __init__(self, batch_size=4, num_examples=6, training=True, seed=0, categories=CATEGORIES):
        self.batch_size, self.num_examples, self.training, self.seed = batch_size, num_examples, training, seed
        self.categories = categories
        self.source = self
        self.steps_started = []

    def example(self, number):
        random = np.random.default_rng([self.seed, int(number)])
        image = random.normal(size=(8, 8, 3)).astype("float32")
        top, left = random.integers(0, 4, 2)
        kind = int(random.integers(1, 3))
        image[top : top + 4, left : left + 4] += 3.0 if kind == 1 else -3.0
        return image, np.array([[top, left, top + 4, left + 4]], "float32"), np.array([kind], "int32")

    def batch(self, step):
        count = self.batch_size
        ids = np.arange(step * count, (step + 1) * count)
        if not self.training:
            ids = np.where(ids < self.num_examples, ids, -1)
        images, boxes, classes = zip(*[self.example(max(i, 0)) for i in ids])
        return np.stack(images), np.stack(boxes), np.stack(classes), ids.astype("int64")

    def dataset(self, step=0):
        self.steps_started.append(step)
        last = 1_000_000 if self.training else -(-self.num_examples // self.batch_size)
        b = self.batch_size

        def load(number):
            types = (tf.float32, tf.float32, tf.int32, tf.int64)
            images, boxes, classes, ids = tf.numpy_function(self.batch, [number], types)
            return {
                "images": tf.ensure_shape(images, (b, 8, 8, 3)),
                "boxes": tf.ensure_shape(boxes, (b, 1, 4)),
                "classes": tf.ensure_shape(classes, (b, 1)),
                "image_ids": tf.ensure_shape(ids, (b,)),
            }

        return tf.data.Dataset.range(step, last).map(load)

    def coco_ground_truth(self):
        images, annotations = [], []
        for i in range(self.num_examples):
            _, boxes, classes = self.example(i)
            top, left, bottom, right = map(float, boxes[0])
            box = [left, top, right - left, bottom - top]
            category = self.categories[int(classes[0]) - 1]["id"]
            images.append({"id": i, "height": 8, "width": 8})
            annotation = {"id": i + 1, "image_id": i, "category_id": category, "bbox": box, "iscrowd": 0}
            annotations.append({**annotation, "area": box[2] * box[3]})
        return {"images": images, "annotations": annotations, "categories": list(self.categories)}
