"""From the region proposal network's outputs to a fixed number of proposals."""

import gin
import keras

from panet_tf.ops.proposals import select_proposals


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class ProposalSelector(keras.layers.Layer):
    """Best boxes of every level, thinned by non-maximum suppression per level, then the best of all levels.

    Source: FPN, section 4.1.

    Args:
        pre_nms_top_k: int, boxes kept per level before suppression, or a pair (training, inference). Defaults to
            detectron2's (2000, 1000).
        post_nms_top_k: int or pair, proposals per image. Defaults to (1000, 1000).
        iou_threshold: overlap above which the lower score goes. Defaults to 0.7.
        min_size: sides in network pixels below which a box is dropped. Defaults to 0.

    Call arguments: `objectness` and `box_deltas`, dicts of levels, float32 (B, A) and (B, A, 4); `anchors`, dict of
        float32 (A, 4); `image_sizes`, float32 (B, 2).

    Output: boxes float32 (B, P, 4), yxyx in network pixels; logits float32 (B, P); valid bool (B, P). No gradient
        passes.
    """

    def __init__(
        self, *, pre_nms_top_k=(2000, 1000), post_nms_top_k=(1000, 1000), iou_threshold=0.7, min_size=0.0, **kwargs
    ):
        super().__init__(autocast=False, **kwargs)
        self.pre_nms_top_k = _pair(pre_nms_top_k)
        self.post_nms_top_k = _pair(post_nms_top_k)
        self.iou_threshold = iou_threshold
        self.min_size = min_size

    def call(self, objectness, box_deltas, anchors, image_sizes, training=False):
        phase = 0 if training else 1
        stop = keras.ops.stop_gradient
        return select_proposals(
            {level: stop(logits) for level, logits in objectness.items()},
            {level: stop(deltas) for level, deltas in box_deltas.items()},
            anchors,
            image_sizes,
            pre_nms_top_k=self.pre_nms_top_k[phase],
            post_nms_top_k=self.post_nms_top_k[phase],
            iou_threshold=self.iou_threshold,
            min_size=self.min_size,
        )

    def get_config(self):
        return {
            **super().get_config(),
            "pre_nms_top_k": self.pre_nms_top_k,
            "post_nms_top_k": self.post_nms_top_k,
            "iou_threshold": self.iou_threshold,
            "min_size": self.min_size,
        }


def _pair(value):
    return tuple(value) if isinstance(value, (list, tuple)) else (value, value)
