"""OccludedShapes as a TFDS data set."""

import numpy as np
import tensorflow_datasets as tfds

from panet_tf.data import shape_drawing
from panet_tf.data.mask_grids import GRID_SIZE
from panet_tf.data.occluded_shapes_source import OccludedShapesSource

SPLITS = {"train": (1000, 0), "validation": (200, 1)}  # Images, seed.


class OccludedShapes(tfds.core.GeneratorBasedBuilder):
    """`tfds.load("occluded_shapes")`: shapes that lie on one another, drawn, not downloaded.

    Examples are the raw samples of `OccludedShapesSource` (see there), with its default arguments: 1000 images of
    seed 0 to train, 200 of seed 1 to validate. For other sizes, numbers or amounts of overlap use the source itself,
    which needs no disk.

    Example:
        >>> import panet_tf.data.occluded_shapes  # makes the name known
        >>> train = tfds.load("occluded_shapes", split="train")
    """

    VERSION = tfds.core.Version("2.0.0")
    RELEASE_NOTES = {
        "2.0.0": "One map of all segments, and their categories, in place of two maps.",
        "1.0.0": "Eight things, four textures of ground.",
    }

    def _info(self):
        points = len(shape_drawing.KEYPOINTS)
        grid = (None, GRID_SIZE, GRID_SIZE // 8)

        def tensor(shape, dtype, **arguments):
            return tfds.features.Tensor(shape=shape, dtype=dtype, **arguments)

        return tfds.core.DatasetInfo(
            builder=self,
            description="Textured shapes that lie on one another, with amodal and visible masks, depth and keypoints.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(None, None, 3)),
                    "image_id": tensor((), np.int64),
                    "file_name": tfds.features.Text(),
                    "panoptic": tfds.features.Image(shape=(None, None, 1), dtype=np.uint16),
                    "segments": {"category": tensor((None,), np.int32)},
                    "objects": {
                        "id": tensor((None,), np.int64),
                        "box": tensor((None, 4), np.float32),
                        "class": tensor((None,), np.int32),
                        "is_crowd": tensor((None,), np.bool_),
                        "area": tensor((None,), np.float32),
                        "mask": tensor(grid, np.uint8, encoding="zlib"),
                        "visible_mask": tensor(grid, np.uint8, encoding="zlib"),
                        "depth": tensor((None,), np.int32),
                        "segment": tensor((None,), np.int32),
                        "keypoints": tensor((None, points, 3), np.float32),
                        "segmentation": tensor((None,), np.object_),
                    },
                }
            ),
        )

    def _split_generators(self, dl_manager):
        del dl_manager  # Nothing is downloaded.
        return {
            split: self._generate_examples(OccludedShapesSource(num_examples=count, seed=seed))
            for split, (count, seed) in SPLITS.items()
        }

    def _generate_examples(self, source):
        for index in range(source.num_examples):
            sample = source.draw(index)
            # TFDS tells a list of strings from a tensor of them by the array's kind.
            sample["file_name"] = sample["file_name"].decode()
            yield index, sample
