import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from panet_tf.data import occluded_shapes
from panet_tf.data.detection_data import DetectionData
from panet_tf.data.occluded_shapes_source import OccludedShapesSource


def test_tfds_loads_what_the_source_draws(tmp_path, monkeypatch):
    monkeypatch.setattr(occluded_shapes, "SPLITS", {"train": (5, 0), "validation": (2, 1)})
    loaded, info = tfds.load("occluded_shapes", data_dir=tmp_path, with_info=True)
    assert {split: info.splits[split].num_examples for split in info.splits} == {"train": 5, "validation": 2}
    for split, (count, seed) in occluded_shapes.SPLITS.items():
        source = OccludedShapesSource(num_examples=count, seed=seed)
        seen = set()
        for sample in loaded[split]:
            expected = source.draw(int(sample["image_id"]))
            tf.nest.assert_same_structure(sample, expected)
            for value, truth in zip(tf.nest.flatten(sample), tf.nest.flatten(expected)):
                np.testing.assert_array_equal(value, truth)
            seen.add(int(sample["image_id"]))
        assert seen == set(range(count))


def test_a_loaded_data_set_feeds_the_pipeline(tmp_path, monkeypatch):
    monkeypatch.setattr(occluded_shapes, "SPLITS", {"train": (3, 0)})
    loaded = tfds.load("occluded_shapes", split="train", data_dir=tmp_path)

    class Loaded:
        categories, num_examples = OccludedShapesSource().categories, 3

        def samples(self, shuffle_seed=None):
            return loaded

    data = DetectionData(source=Loaded(), batch_size=2, canvases=((256, 256),), short_side=None)
    ids = np.concatenate([batch["image_ids"] for batch in data.dataset().as_numpy_iterator()])
    assert sorted(ids) == [-1, 0, 1, 2]
