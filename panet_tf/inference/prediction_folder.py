"""A folder of predictions: COCO JSON, panoptic maps and pictures."""

import json
import os
import pathlib

from PIL import Image

from panet_tf.data.proposals import Proposals
from panet_tf.evaluation.coco_ground_truth import coco_ground_truth
from panet_tf.evaluation.panoptic_folder import PanopticFolder
from panet_tf.evaluation.panoptic_submission import PanopticSubmission
from panet_tf.inference.detections_json import DetectionsJson
from panet_tf.inference.overlay import overlay
from panet_tf.inference.panoptic import panoptic_overlay


class PredictionFolder:
    """Writes what the predictor returns, image after image.

    Into the folder go `predictions.json` (a COCO data set, with scores), `results.json` (COCO results) and `overlays/`;
    of panoptic models also `panoptic/` and `panoptic.json`, COCO's panoptic format, and the overlays show the maps.

    Args:
        output: the folder.
        predictor: `Predictor` whose results come.
        root: folder of the images; the names of pictures and maps are relative to it.
        annotations: path of a COCO JSON of the images, of instances or panoptic: its ids are used, and its masks or
            maps are drawn beside the found. The PNG files of `panoptic.json` are looked for in `panoptic/` beside it.
            Defaults to `None`: images are numbered as they come.
        score_threshold: float, instances of lower scores are not drawn. Defaults to 0.5.
        overlays: bool, whether pictures are drawn. Defaults to `True`.

    Raises:
        ValueError: annotations of neither kind.

    Example:
        >>> folder = PredictionFolder("found", predictor, root="photos")
        >>> for result in predictor.stream(find_images("photos")):
        ...     folder.add(result)
        >>> folder.write()
    """

    def __init__(self, output, predictor, *, root, annotations=None, score_threshold=0.5, overlays=True):
        self.output, self.root = pathlib.Path(output), root
        self.score_threshold, self.overlays = score_threshold, overlays
        self._categories = predictor.panoptic_categories
        self._truth = self._maps = image_ids = None
        self._sizes = {}
        if annotations is not None:
            content = json.loads(pathlib.Path(annotations).read_text(encoding="utf-8"))
            listed = content.get("annotations") if isinstance(content, dict) else None
            if any("segments_info" in annotation for annotation in listed or ()):
                self._maps = PanopticFolder(content, pathlib.Path(annotations).with_suffix(""))
            else:
                content = self._truth = coco_ground_truth(annotations)[0]
            images = content.get("images", ())
            image_ids = {image["file_name"]: image["id"] for image in images}
            self._sizes = {image["id"]: (image.get("height"), image.get("width")) for image in images}
        self.coco = DetectionsJson(predictor.categories, image_ids=image_ids)
        self.panoptic = None
        if self._categories is not None:
            self.panoptic = PanopticSubmission(self.output / "panoptic", categories=self._categories)

    def proposals(self, path, files):
        """Regions of images from a file, for a predictor whose model takes them.

        Args:
            path: COCO results, as `Proposals` reads them; the annotations say which image is which.
            files: paths of the images, all of which the annotations hold.

        Returns:
            Iterator of float32 (n, 4), yxyx in pixels, one for each file.

        Raises:
            ValueError: there are no annotations, or they or the file do not fit the images.
        """
        if self.coco.image_ids is None:
            raise ValueError("proposals are found by the ids of images: give their annotations, received none.")
        ids = [self.coco.image_id(file) for file in files]
        sizes = {image_id: self._sizes[image_id] for image_id in ids if None not in self._sizes[image_id]}
        given = Proposals(path)
        if sizes:
            given.check(list(sizes), list(sizes.values()))
        return (given.of_image(image_id)[0] for image_id in ids)

    def add(self, result):
        """Writes the pictures and the map of one image, and keeps the rest for `write`.

        Args:
            result: dict that `Predictor` returns.

        Raises:
            ValueError: the annotations do not hold the image, or it has come before.
        """
        image_id = self.coco.add(result)
        name = os.path.relpath(result["file_name"], self.root).removesuffix(".png") + ".png"
        if self.panoptic is not None:
            self.panoptic.file_names[image_id] = name
            self.panoptic.add(image_id, result["panoptic"], result["segments"])
        if self.overlays:
            path = self.output / "overlays" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(self._picture(result, image_id)).save(path)

    def write(self):
        """Writes the JSON files."""
        self.coco.write(self.output / "predictions.json")
        self.coco.write(self.output / "results.json", results_only=True)
        if self.panoptic is not None:
            self.panoptic.write()

    def _picture(self, result, image_id):
        if self.panoptic is None:
            return overlay(result, ground_truth=self._truth, score_threshold=self.score_threshold)
        truth = None if self._maps is None else self._maps.ground_truth(image_id)
        return panoptic_overlay(result, self._categories, truth=truth)
