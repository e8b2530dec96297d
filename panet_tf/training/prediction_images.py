"""Pictures of what the model sees, while it trains."""

import io
import itertools
import pathlib

import gin
import keras
import numpy as np
from PIL import Image

from panet_tf.training.atomic_write import write_atomically
from panet_tf.training.evaluate import predictions
from panet_tf.training.event_writer import EventWriter
from panet_tf.visualization.draw_detections import draw_detections
from panet_tf.visualization.panoptic import draw_panoptic
from panet_tf.visualization.side_by_side import side_by_side

DRAWN = ("boxes", "scores", "classes", "masks", "keypoints")


@gin.register(module="panet_tf")
class PredictionImages(keras.callbacks.Callback):
    """Draws predictions beside the ground truth, for TensorBoard and as PNG files.

    The first images of the data, as the network receives them, are drawn at the end of epochs, of panoptic models with
    their map as a third picture: into
    `<model_dir>/images/<image id>_epoch_000012.png`, and into TensorBoard, where a slider goes through the epochs of
    each image. Pictures that earlier processes drew are kept.

    Args:
        data: `panet_tf.data.DetectionData` made for evaluation.
        model_dir: folder of the run.
        count: int, number of images. Defaults to 4.
        every: int, epochs between drawings; the last epoch is always drawn. Defaults to 1.
        score_threshold: float, detections below it are not drawn. Defaults to 0.5.
    """

    def __init__(self, data, model_dir, *, count=4, every=1, score_threshold=0.5):
        super().__init__()
        self.data = data
        self.folder = pathlib.Path(model_dir) / "images"
        self.writer = EventWriter(pathlib.Path(model_dir) / "logs")
        self.count = count
        self.every = every
        self.score_threshold = score_threshold

    def on_epoch_end(self, epoch, logs=None):
        last = epoch + 1 == self.params.get("epochs") or self.model.stop_training
        if (epoch + 1) % self.every and not last:
            return
        step = int((logs or {}).get("step", epoch + 1))
        for image_id, picture in itertools.islice(self._pictures(), self.count):
            file = io.BytesIO()
            Image.fromarray(picture).save(file, "PNG")
            write_atomically(self.folder / f"{image_id}_epoch_{epoch + 1:06d}.png", file.getvalue())
            self.writer.image(f"predictions/{image_id}", picture, step)
        self.writer.flush()

    def _pictures(self):
        """Yields (image id, picture) of the data in order."""
        dataset = self.data.dataset().take(-(-self.count // self.data.batch_size))
        for batch, outputs in zip(dataset.as_numpy_iterator(), predictions(self.model, dataset)):
            for i, image_id in enumerate(batch["image_ids"]):
                if image_id < 0:
                    continue
                one = {key: value[i] for key, value in batch.items()}
                found = {key: outputs[key][i] for key in DRAWN if key in outputs}
                found["boxes"] = to_network(found["boxes"], one)
                truth = {key: one[key] for key in ("boxes", "classes") if key in one}
                if "keypoints" in found:
                    points = to_network(np.tile(found["keypoints"][..., :2], 2), one)[..., :2]
                    found["keypoints"] = np.concatenate([points, found["keypoints"][..., 2:]], axis=-1)
                    truth |= {key: one[key] for key in ("keypoints",) if key in one}
                if "masks" in found and "masks" in one:
                    truth["masks"] = one["masks"].astype("float32")
                image = network_picture(one, getattr(self.data, "mean", 0.0), getattr(self.data, "std", 1.0))
                draw = {"categories": self.data.categories, "scale": "auto"}
                pictures = [draw_detections(image, found, score_threshold=self.score_threshold, **draw)]
                titles = ["prediction", "ground truth"][: 1 + ("boxes" in truth)]
                if "boxes" in truth:
                    pictures.append(draw_detections(image, truth, **draw))
                if "panoptic" in outputs:
                    scale = len(pictures[0]) // len(image)  # that of the others
                    pictures.append(self._panoptic(image, outputs["panoptic"][i], outputs["segment_classes"][i], scale))
                    titles.append("panoptic prediction")
                yield int(image_id), side_by_side(pictures, titles)

    def _panoptic(self, image, labels, classes, scale):
        """The map of one image on the network's canvas, drawn."""
        categories = self.model.panoptic_categories
        segments = [
            {"id": number, "category_id": categories[k - 1]["id"]} for number, k in enumerate(classes, start=1) if k > 0
        ]
        labels = labels[: image.shape[0], : image.shape[1]]
        return draw_panoptic(image, labels, segments, categories=categories, scale=scale)


def to_network(boxes, inputs):
    """Boxes (n, 4) of original pixels in the pixels of the network's input, by an image's `scales` and `offsets`."""
    scales = np.tile(inputs.get("scales", np.ones(2, "float32")), 2)
    offsets = np.tile(inputs.get("offsets", np.zeros(2, "float32")), 2)
    return (boxes - offsets) * scales


def network_picture(inputs, mean, std):
    """One image of a batch as uint8 (h, w, 3): without its padding, the normalisation undone."""
    image = inputs["images"]
    height, width = map(int, inputs.get("image_sizes", image.shape[:2]))
    return np.clip(np.round(image[:height, :width] * np.asarray(std) + np.asarray(mean)), 0, 255).astype("uint8")
