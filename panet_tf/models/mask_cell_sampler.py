"""Which windows of a pyramid train mask proposals, and on which objects."""

import gin
import keras
import tensorflow as tf

from panet_tf.ops.mask_proposal_cells import cell_centers, match_cells, within_boxes
from panet_tf.ops.sampling import sample_balanced


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class MaskCellSampler(keras.layers.Layer):
    """Labels the cells of a pyramid by the objects in their middles and draws a balanced sample (FPN, appendix).

    An object belongs to the scale nearest to its longer side, and to the cells of that scale whose centres are within a
    cell of its box's centre. All other cells are negatives, but for those beyond the image and, as no one knows what is
    in there, those in the middle of a crowd.

    Args:
        count: int, cells drawn per image. Defaults to 128: 2048 in a batch of 16 images.
        positive_fraction: largest share of positives. Defaults to 0.25, one to three.
        radius: float, cells along either axis between the centres of a cell and its object. Defaults to 1.

    Call arguments:
        boxes: float32 (B, N, 4), yxyx in network pixels; classes: int32 (B, N), 0 in empty slots; is_crowd: bool
            (B, N); image_sizes: float32 (B, 2).
        noise: float32 (B, K * A) in [0, 1), decides who is drawn.
        sizes: dict from names of levels to (height, width) in cells.
        scales: canonical sizes of objects, K tuples of one number a level.

    Output: dict of `"indices"` int32 (B, count) into the cells, kind of window by kind, then level by level;
        `"labels"` int32 (B, count), 1, 0, and -1 for padding, positives first; and `"matched"` int32 (B, count), the
        object's slot.
    """

    def __init__(self, *, count=128, positive_fraction=0.25, radius=1.0, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.count = int(count)
        self.positive_fraction = positive_fraction
        self.radius = radius
        self.num_positive = round(count * positive_fraction)

    def call(self, boxes, classes, is_crowd, image_sizes, noise, sizes, scales):
        matched = match_cells(boxes, (classes > 0) & ~is_crowd, sizes, scales, self.radius)
        centers, _ = cell_centers(sizes)
        crowds = tf.where(((classes > 0) & is_crowd)[..., None], boxes, 0.0)
        unknown = within_boxes(centers, crowds)
        outside = tf.reduce_any(centers >= image_sizes[:, None, :], axis=-1)
        kinds = (1, len(scales))
        labels = tf.where(tf.tile(unknown | outside, kinds), -1, 0)
        labels = tf.where((matched >= 0) & ~tf.tile(outside, kinds), 1, labels)
        indices, labels = sample_balanced(labels, noise, count=self.count, positive_fraction=self.positive_fraction)
        matched = tf.maximum(tf.gather(matched, indices, batch_dims=1), 0)
        return {"indices": indices, "labels": labels, "matched": tf.where(labels == 1, matched, 0)}

    def get_config(self):
        return {
            **super().get_config(),
            "count": self.count,
            "positive_fraction": self.positive_fraction,
            "radius": self.radius,
        }
