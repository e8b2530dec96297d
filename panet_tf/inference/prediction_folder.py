"""A folder of predictions: COCO JSON, panoptic maps and pictures."""

import json
import os
import pathlib

from absl import logging
from PIL import Image

from panet_tf.data.proposals import KEPT, Proposals
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
            maps are drawn beside the found. A list of images without `annotations` is enough for ids. The PNG files of
            `panoptic.json` are looked for in `panoptic/` beside it. Defaults to `None`: images are numbered as they
            come.
        score_threshold: float, instances of lower scores are not drawn. Defaults to 0.5.
        overlays: bool, whether pictures are drawn. Defaults to `True`.

    Raises:
        ValueError: annotations of neither kind, or of two images of one name.

    Example:
        >>> folder = PredictionFolder("found", predictor, root="photos")
        >>> for result in predictor.stream(find_images("photos")):
        ...     folder.add(result)
        >>> folder.write()
    """

    def __init__(self, output, predictor, *, root, annotations=None, score_threshold=0.5, overlays=True):
        self.output, self.root = pathlib.Path(output), root
        self.score_threshold, self.overlays = score_threshold, overlays
        self._most = max(KEPT, getattr(predictor, "max_proposals", 0))
        self._categories = predictor.panoptic_categories
        self._truth = self._maps = image_ids = None
        self._sizes = {}
        if annotations is not None:
            content = json.loads(pathlib.Path(annotations).read_text(encoding="utf-8"))
            listed = content.get("annotations") if isinstance(content, dict) else None
            if listed is None and isinstance(content, dict) and isinstance(content.get("images"), list):
                pass  # images alone: ids, and nothing to draw
            elif any("segments_info" in annotation for annotation in listed or ()):
                self._maps = PanopticFolder(content, pathlib.Path(annotations).with_suffix(""))
            else:
                content = self._truth = coco_ground_truth(annotations)[0]
            images = content.get("images", ())
            image_ids = _ids_by_name(images, annotations)
            self._sizes = {image["id"]: (image.get("height"), image.get("width")) for image in images}
        self.coco = DetectionsJson(predictor.categories, image_ids=image_ids)
        self.panoptic = None
        if self._categories is not None:
            self.panoptic = PanopticSubmission(self.output / "panoptic", categories=self._categories)

    def listed(self, files):
        """The images that can be written: those that the annotations hold, all where there are no annotations.

        The others are logged and counted.

        Args:
            files: paths of images.

        Returns:
            list of those paths.

        Raises:
            ValueError: the annotations hold none of them, or have one name for two of them.
        """
        listed = [file for file in files if self.coco.holds(file)]
        left_out = [str(file) for file in files if not self.coco.holds(file)]
        if not listed:
            raise ValueError(f"annotations must hold the images, received {left_out[0]!r} and no other that they hold.")
        if left_out:
            names = ", ".join(left_out[:5]) + (", ..." if len(left_out) > 5 else "")
            logging.warning("%d of %d images left out, the annotations lack them: %s", len(left_out), len(files), names)
        if self.coco.image_ids is not None:
            first = {}
            for file in listed:
                other = first.setdefault(self.coco.image_id(file), file)
                if other is not file:
                    raise ValueError(
                        f"an image comes once, received {other} and {file}, which the annotations do not tell apart: "
                        f"give the folder that they are of, or names with folders."
                    )
        return listed

    def sizes(self, files):
        """Sizes that the annotations refer to, which tell whether a photograph is turned upright.

        Args:
            files: paths of images that the annotations hold.

        Returns:
            list of (height, width), or of `None` where they are not known.
        """
        if self.coco.image_ids is None:
            return [None] * len(files)
        sizes = [self._sizes[self.coco.image_id(file)] for file in files]
        return [None if None in size else size for size in sizes]

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
        given = Proposals(path, max_proposals=self._most)
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


def _ids_by_name(images, path):
    ids = {}
    for image in images:
        name, identity = image["file_name"], image["id"]
        if ids.setdefault(name, identity) != identity:
            raise ValueError(f"file names must be of one image each, received {name!r} for two of {path}.")
    return ids
