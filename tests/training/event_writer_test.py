"""TensorBoard's files, read back as records of TensorFlow's event messages."""

import io

import gin
import numpy as np
import tensorflow as tf
from PIL import Image
from tensorflow.core.util.event_pb2 import Event

from panet_tf.training.event_writer import EventWriter
from panet_tf.training.operative_config import OperativeConfig
from panet_tf.training.tensorboard_logs import TensorBoardLogs


def events(folder):
    """[(step, tag, plugin, value)] of all files of a folder."""
    found = []
    for path in sorted(folder.glob("events*")):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = Event.FromString(record)
            for value in event.summary.value:
                plugin = value.metadata.plugin_data.plugin_name
                found.append((event.step, value.tag, plugin, tf.make_ndarray(value.tensor)))
    return found


def test_numbers_pictures_and_text_are_what_tensorboard_reads(tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (5, 7, 3), dtype=np.uint8)
    writer = EventWriter(tmp_path)
    writer.flush()
    assert not list(tmp_path.iterdir())  # nothing was written
    writer.scalars({"loss": 1.5, "val_segm/AP": 0.25}, step=100)
    writer.image("val/image", image, step=100)
    writer.text("notes", "**bold**", step=101)
    writer.flush()
    loss, ap, picture, text = events(tmp_path)
    assert loss == (100, "loss", "scalars", 1.5) and ap == (100, "val_segm/AP", "scalars", 0.25)
    assert picture[:3] == (100, "val/image", "images") and picture[3][:2].tolist() == [b"7", b"5"]
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(picture[3][2]))), image)
    assert text == (101, "notes", "text", b"**bold**")


def test_logs_lie_at_the_training_step(tmp_path):
    logs = TensorBoardLogs(tmp_path)
    given = {"loss": 2.0, "step": 40}
    logs.on_epoch_end(0, given)
    logs.on_epoch_end(1, {"loss": 1.0})  # without a step, the epoch
    assert [(step, tag, float(value)) for step, tag, _, value in events(tmp_path)] == [
        (40, "loss", 2.0),
        (2, "loss", 1.0),
    ]
    assert given == {"loss": 2.0, "step": 40}


def test_the_configuration_is_written_when_it_changes(tmp_path):
    callback = OperativeConfig(tmp_path, tmp_path / "logs")
    callback.on_train_begin()
    assert not list(tmp_path.iterdir())  # nothing of gin was called

    @gin.configurable("called_in_a_run")
    def called(number=1):
        return number

    gin.parse_config("called_in_a_run.number = 7")
    for epoch in range(2):
        assert called() == 7
        callback.on_epoch_end(epoch)
    assert "called_in_a_run.number = 7" in (tmp_path / "operative_config.gin").read_text()
    ((step, tag, plugin, text),) = events(tmp_path / "logs")
    assert (step, tag, plugin) == (1, "operative_config", "text") and b"called_in_a_run.number = 7" in text.item()
