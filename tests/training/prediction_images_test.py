"""Pictures of predictions beside the ground truth."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from panet_tf.training.prediction_images import network_picture, to_network
from tests.training.killed_run import run
from tests.training.tiny import TinyData


def test_a_run_draws_its_first_images(tmp_path):
    run(tmp_path, prediction_images=3, steps=20)
    names = sorted(path.name for path in (tmp_path / "images").iterdir())
    assert names == [f"{i}_epoch_{epoch:06d}.png" for i in range(3) for epoch in (1, 2)]
    picture = np.asarray(Image.open(tmp_path / "images" / names[0]))
    assert picture.shape[1] > 1.7 * picture.shape[0]  # two squares side by side, under a line of titles
    steps = []
    for path in (tmp_path / "logs").glob("events*"):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            for value in event.summary.value:
                if value.tag == "predictions/0":
                    steps.append(event.step)
                    width, height, png = tf.make_ndarray(value.tensor)
                    assert value.metadata.plugin_data.plugin_name == "images"
                    assert tf.io.decode_png(png).shape == (int(height), int(width), 3)
    assert steps == [10, 20]


def test_every_few_epochs_and_the_last(tmp_path):
    run(tmp_path, prediction_images=1, evaluate_every=2, steps=30)
    assert sorted(path.name for path in (tmp_path / "images").iterdir()) == ["0_epoch_000002.png", "0_epoch_000003.png"]


def test_boxes_go_back_to_the_networks_pixels():
    inputs = {"scales": np.array([2.0, 0.5], "float32"), "offsets": np.array([10.0, 20.0], "float32")}
    np.testing.assert_allclose(to_network(np.array([[11.0, 24.0, 15.0, 30.0]]), inputs), [[2.0, 2.0, 10.0, 5.0]])


def test_normalisation_and_padding_are_undone():
    original = np.random.default_rng(0).integers(0, 256, (5, 6, 3))
    mean, std = (120.0, 110.0, 100.0), (60.0, 55.0, 50.0)
    padded = np.zeros((8, 8, 3), "float32")
    padded[:5, :6] = (original - mean) / std
    picture = network_picture({"images": padded, "image_sizes": np.array([5.0, 6.0])}, mean, std)
    np.testing.assert_array_equal(picture, original)


@pytest.mark.parametrize("count", [1, 4])
def test_padding_images_are_not_drawn(tmp_path, count):
    run(tmp_path, prediction_images=count, eval_data=TinyData(training=False, num_examples=2), steps=10)
    assert len(list((tmp_path / "images").iterdir())) == min(count, 2)
