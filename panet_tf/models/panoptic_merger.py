"""Merging of a model's instances and stuff as a part with settings and no weights."""

import gin
import keras

from panet_tf.ops.panoptic_merge import merge_panoptic
from panet_tf.ops.semantic_classes import semantic_classes


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class PanopticMerger(keras.layers.Layer):
    """One panoptic map from detections and semantic logits, by the rules of OANet or of Panoptic FPN.

    Defaults are OANet's (section 4.2); Panoptic FPN's are `context="stuff_plus_thing"`, `stuff_area="total"`,
    `min_stuff_area=4096`, `thing_classes="void"`. What each means stands in `ops.panoptic_merge.merge_panoptic`.

    Args:
        context: the object context that the semantic head is trained with, see `ops.semantic_classes`. Defaults to
            `"all"`.
        order: `"ranking"`, by the scores of the spatial ranking module where the model has one; or `"detection"`, by
            detection scores in any case. Defaults to `"ranking"`.
        score_threshold: detections below it are left out, of the ranking's canvas too. Defaults to 0.5.
        overlap_threshold: share of an instance that others may hide. Defaults to 0.5.
        max_instances: int. Defaults to 100.
        min_stuff_area: pixels of the original image. Defaults to 4900.
        stuff_area: `"connected"` or `"total"`. Defaults to `"connected"`.
        thing_classes: `"dropped"` or `"void"`. Defaults to `"dropped"`: the paper extracts the stuff predictions only.
        connected_stride: int, pixels of the grid on which regions are found. Defaults to 4.

    Call arguments:
        found: dict of `"masks"` float32 (B, D, m, m), `"boxes"` float32 (B, D, 4) in network pixels, `"classes"` int32
            (B, D) and `"scores"` float32 (B, D).
        logits: float32 (B, h, w, C), of the semantic head.
        image_sizes: float32 (B, 2); scales: float32 (B, 2).
        ranking: float32 (B, D) or `None`.
        categories: the panoptic categories, dicts with `"isthing"`.
        size: (H, W) of the canvas.

    Output: dict of `"panoptic"` int32 (B, H, W) and `"segment_classes"`, `"segment_scores"`, `"segment_areas"` and
        `"segment_detections"`, each (B, S), as `merge_panoptic` gives them.

    Raises:
        ValueError: for an unknown context or order.
    """

    def __init__(
        self,
        *,
        context="all",
        order="ranking",
        score_threshold=0.5,
        overlap_threshold=0.5,
        max_instances=100,
        min_stuff_area=4900,
        stuff_area="connected",
        thing_classes="dropped",
        connected_stride=4,
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)
        if order not in ("ranking", "detection"):
            raise ValueError(f'order must be "ranking" or "detection", received {order!r}.')
        self.context = context
        self.order = order
        self.score_threshold = score_threshold
        self.overlap_threshold = overlap_threshold
        self.max_instances = max_instances
        self.min_stuff_area = min_stuff_area
        self.stuff_area = stuff_area
        self.thing_classes = thing_classes
        self.connected_stride = connected_stride

    def call(self, found, logits, image_sizes, scales, ranking=None, *, categories, size):
        numbers = semantic_classes(categories, self.context)
        return merge_panoptic(
            found["masks"],
            found["boxes"],
            found["classes"],
            found["scores"],
            logits,
            size=size,
            thing_category=numbers.thing_category,
            stuff_category=numbers.stuff_category,
            ranking=ranking if self.order == "ranking" else None,
            image_sizes=image_sizes,
            scales=scales,
            score_threshold=self.score_threshold,
            overlap_threshold=self.overlap_threshold,
            max_instances=self.max_instances,
            min_stuff_area=self.min_stuff_area,
            stuff_area=self.stuff_area,
            thing_classes=self.thing_classes,
            connected_stride=self.connected_stride,
        )

    def get_config(self):
        return {
            **super().get_config(),
            "context": self.context,
            "order": self.order,
            "score_threshold": self.score_threshold,
            "overlap_threshold": self.overlap_threshold,
            "max_instances": self.max_instances,
            "min_stuff_area": self.min_stuff_area,
            "stuff_area": self.stuff_area,
            "thing_classes": self.thing_classes,
            "connected_stride": self.connected_stride,
        }
