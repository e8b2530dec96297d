"""Online hard example mining as a part of a dense detector."""

import gin
import keras

from panet_tf.losses.hard_examples import hard_examples


@gin.register(module="panet_tf")
@keras.saving.register_keras_serializable("panet_tf")
class HardExampleSelector(keras.layers.Layer):
    """Chooses the anchors of each image that a dense detector is trained on: those of highest loss (OHEM).

    Source: Lin's thesis, section 5.5.1 and Table 5.1d, whose settings are batches of 128, 256 and 512, thresholds of
    0.5 and 0.7, and a ratio of 3 or none. The thesis leaves open whether a batch is an image's: here it is, as in the
    RPN. The boxes that overlap are the anchors, and an example's loss is that of its classes, as most have no box. Of
    "1:3" it leaves open what happens where objects are few: see `fill`.

    Args:
        count: int, examples of an image. Defaults to 128.
        iou_threshold: float, overlap above which the lower loss goes. Defaults to 0.5.
        candidates: int, examples of highest loss of an image that enter suppression. Defaults to 2000.
        negatives_per_positive: number, of backgrounds to an object in a full batch, or `None` to take losses as they
            come. Defaults to `None`; "OHEM 1:3" has 3.
        fill: bool, whether backgrounds fill the batch where objects are fewer than their share; if not, there are at
            most `negatives_per_positive` to each. Without a ratio it changes nothing. Defaults to True.

    Call arguments: `losses` float (B, A); `classes` int (B, A), 1..K, 0 background, -1 ignored; `anchors` float (A, 4).

    Output: int32 (B, A), `classes` with -1 for what is not chosen. No gradient passes.

    Raises:
        ValueError: when called, if a number is out of range.

    Example:
        >>> model = retinanet(categories=categories, class_loss=ClassLoss(form="cross_entropy", alpha=None),
        ...                   example_selector=HardExampleSelector(count=128, iou_threshold=0.5))
    """

    def __init__(
        self, *, count=128, iou_threshold=0.5, candidates=2000, negatives_per_positive=None, fill=True, **kwargs
    ):
        super().__init__(autocast=False, **kwargs)
        self.count = count
        self.iou_threshold = iou_threshold
        self.candidates = candidates
        self.negatives_per_positive = negatives_per_positive
        self.fill = fill

    def call(self, losses, classes, anchors):
        return hard_examples(
            losses,
            classes,
            anchors,
            count=self.count,
            iou_threshold=self.iou_threshold,
            candidates=self.candidates,
            negatives_per_positive=self.negatives_per_positive,
            fill=self.fill,
        )

    def get_config(self):
        return {
            **super().get_config(),
            "count": self.count,
            "iou_threshold": self.iou_threshold,
            "candidates": self.candidates,
            "negatives_per_positive": self.negatives_per_positive,
            "fill": self.fill,
        }
