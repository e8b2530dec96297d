"""TensorBoard's files without TensorBoard installed."""

import io

import numpy as np
import tensorflow as tf
from PIL import Image


class EventWriter:
    """Writes scalars, images and text that TensorBoard shows.

    TensorFlow 2.21 no longer brings TensorBoard, whose package holds `tf.summary.scalar` and its like;
    `tf.summary.write` is TensorFlow's own. People who want to look at the logs install `tensorboard`, machines that
    train need not.

    Args:
        log_dir: folder of the event files; made at the first write.

    Example:
        >>> EventWriter("run/logs").scalars({"loss": 1.5, "val_segm/AP": 0.3}, step=100)
    """

    def __init__(self, log_dir):
        self.log_dir = str(log_dir)
        self._writer = None

    def scalars(self, values, step):
        """Writes numbers, a dict from tags to floats."""
        for tag, value in values.items():
            self._write(tag, np.float32(value), step, "scalars")

    def image(self, tag, image, step):
        """Writes one image, uint8 (h, w, 3)."""
        png = io.BytesIO()
        Image.fromarray(np.asarray(image, "uint8")).save(png, "PNG")
        height, width = image.shape[:2]
        self._write(tag, tf.constant([str(width).encode(), str(height).encode(), png.getvalue()]), step, "images")

    def text(self, tag, text, step):
        """Writes Markdown."""
        self._write(tag, tf.constant(text.encode()), step, "text")

    def flush(self):
        """Puts everything written so far on disk."""
        if self._writer is not None:
            self._writer.flush()

    def _write(self, tag, tensor, step, plugin):
        if self._writer is None:
            self._writer = tf.summary.create_file_writer(self.log_dir)
        metadata = tf.compat.v1.SummaryMetadata(plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name=plugin))
        with self._writer.as_default():
            tf.summary.write(tag, tensor, step=step, metadata=metadata)
