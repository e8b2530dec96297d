"""Looking at an image at several sizes, mirrored and by several models."""

import gin
import numpy as np

from panet_tf.inference.augmented_detector import AugmentedDetector
from panet_tf.inference.combined_masks import COMBINATIONS
from panet_tf.inference.load_model import load_model
from panet_tf.ops.box_voting import SCORES
from panet_tf.ops.proposal_slots import proposal_slots
from panet_tf.ops.soft_nms import METHODS


@gin.register(module="panet_tf")
class TestTimeAugmentation:
    """Settings of multi-scale and mirrored testing, of voting and of ensembles (PANet, section 4.2, challenge).

    Every model finds boxes in every view of the image. All of them, before any suppression, are brought back and
    united; then come, once, suppression within each class, box voting, and the best `max_detections`. Masks and
    keypoints of the boxes that remain are predicted in every view and combined; or masks are voted on. This is where
    Detectron places each step (`core/test.py`); the defaults are PANet's four scales with mirrors.

    `Predictor(augmentation=...)` and `panet_tf.evaluate(augmentation=...)` take it, and their scripts by gin:
    `Predictor.augmentation = @TestTimeAugmentation()`.

    Args:
        scales: short sides in pixels, one a view. Defaults to PANet's (600, 800, 1000, 1200). Mask R-CNN's Table 8 has
            400 to 1200 in steps of 100.
        long_side: pixels that the long side may have at most. Defaults to 1400.
        flips: bool, whether each view is also seen mirrored. Defaults to True.
        canvases: tuple of (height, width), multiples of 32, in which all views are padded; the network is traced once
            for each. Defaults to `None`: a landscape and a portrait for each scale, as small as can be.
        models: paths of further models (`.keras` files or folders of runs) of the same categories, or models: an
            ensemble. They may have masks and keypoints or not, of any sizes. Defaults to none.
        proposals: `"own"`: each view has its own; `"first"`: those that the first model finds in the first view serve
            all views and models, as in PANet's ensemble. Defaults to `"own"`.
        union: bool; False takes the mean of boxes and scores over the views of each proposal in place of all of them,
            which needs `proposals="first"`. Defaults to True.
        score_threshold: float, what is below does not enter suppression. Defaults to 0.05.
        suppression: `"hard"`, or `"linear"` or `"gaussian"` of `soft_nms`. Defaults to `"hard"`.
        iou_threshold, sigma: floats, of suppression. Default to 0.5 both.
        box_voting: float, least IoU of a voter, or `None`. Defaults to 0.9, as in Detectron's example.
        voted_score: `"kept"`, `"mean"` or `"iou_mean"`, as in `box_voting`. Defaults to `"kept"`.
        masks: `"average"`, `"max"` or `"logit_average"` of the views' masks. Defaults to `"average"`.
        mask_voting: float, least IoU of a voter, or `None` for the above. Every united box then gets a mask in its own
            view. The published value is 0.5. Defaults to `None`.
        binary_threshold: float, of `mask_voting`. Defaults to 0.4.
        max_voters: int, united boxes that vote on masks: all that survive suppression, and the best others up to this
            number. Defaults to 1000.
        tight_boxes: bool, whether boxes are drawn tight around the masks, as PANet submitted them. Defaults to False.
        max_detections: int, or `None` for the model's. Defaults to `None`.

    Raises:
        ValueError: for an unknown option, a scale that is not positive, or a mean without common proposals.

    Example:
        >>> predictor = Predictor(model, augmentation=TestTimeAugmentation(scales=(600, 800), mask_voting=0.5))
    """

    __test__ = False  # its name is no test's

    def __init__(
        self,
        *,
        scales=(600, 800, 1000, 1200),
        long_side=1400,
        flips=True,
        canvases=None,
        models=(),
        proposals="own",
        union=True,
        score_threshold=0.05,
        suppression="hard",
        iou_threshold=0.5,
        sigma=0.5,
        box_voting=0.9,
        voted_score="kept",
        masks="average",
        mask_voting=None,
        binary_threshold=0.4,
        max_voters=1000,
        tight_boxes=False,
        max_detections=None,
    ):
        for name, value, choices in (
            ("proposals", proposals, ("own", "first")),
            ("suppression", suppression, METHODS),
            ("voted_score", voted_score, SCORES),
            ("masks", masks, COMBINATIONS),
        ):
            if value not in choices:
                raise ValueError(f"{name} must be one of {choices}, received {value!r}.")
        if not scales or min(scales) < 1:
            raise ValueError(f"scales must be positive short sides, received {scales}.")
        if not union and proposals != "first":
            raise ValueError("a mean over views needs common proposals: give proposals='first' with union=False.")
        self.scales, self.long_side, self.flips, self.canvases = tuple(scales), long_side, flips, canvases
        self.models, self.proposals, self.union = tuple(models), proposals, union
        self.score_threshold, self.suppression = score_threshold, suppression
        self.iou_threshold, self.sigma = iou_threshold, sigma
        self.box_voting, self.voted_score = box_voting, voted_score
        self.masks, self.mask_voting, self.binary_threshold = masks, mask_voting, binary_threshold
        self.max_voters, self.tight_boxes, self.max_detections = max_voters, tight_boxes, max_detections

    def detector(self, model, preprocessing, *, jit_compile=False):
        """The detector that looks at images in this way.

        Args:
            model: of a `Predictor`; the first of the ensemble.
            preprocessing: `panet_tf.data.Preprocessing`, whose normalisation counts, not its sizes.
            jit_compile: bool, whether the networks are compiled with XLA. Defaults to False.

        Returns:
            `AugmentedDetector`.

        Raises:
            ValueError: if a model cannot do what is asked, or the models' categories differ.
        """
        others = [load_model(other) if isinstance(other, str) else other for other in self.models]
        return AugmentedDetector([model, *others], preprocessing, self, jit_compile=jit_compile)

    def predictions(self, model, data):
        """Predictions of a data set, image by image, as `evaluate` takes them.

        Args:
            model: `keras.Model`.
            data: `panet_tf.data.DetectionData` made for evaluation, whose source and normalisation count.

        Yields:
            dict of arrays with a batch axis of one: `boxes` (1, D, 4), `scores`, `classes`, `image_ids`,
            `original_sizes`, and where the models find any `segmentations` (1, D), run-length codes, and `keypoints`.
        """
        detector = self.detector(model, data.preprocessing)
        takes_proposals = getattr(model, "takes_proposals", False)
        for raw in data.source.samples():
            if int(raw["image_id"]) < 0:  # it cannot be read
                continue
            image = raw["image"].numpy()
            found = detector(image, proposals=_proposals(data, raw) if takes_proposals else None)
            if "segmentations" in found:
                codes = np.empty(len(found["boxes"]), object)
                codes[:] = found["segmentations"]
                found["segmentations"] = codes
            sizes = np.array(image.shape[:2], "float32")
            found |= {"image_ids": raw["image_id"].numpy(), "original_sizes": sizes}
            yield {name: np.asarray(value)[None] for name, value in found.items()}


def _proposals(data, raw):
    """Those that the data bring for an image, float32 (P, 4), in its own pixels."""
    if getattr(data, "proposals", None) is None:
        raise ValueError("the model takes its regions from outside: give DetectionData its proposals, received none.")
    size = tuple(raw["image"].shape[:2])
    boxes, _ = data.proposals.of_image(int(raw["image_id"]), size)
    return proposal_slots(boxes[None], count=data.max_proposals, original_sizes=[size])[0]
