"""Reading checkpoints of this and other programs."""

from panet_tf.weights.load_report import LoadReport
from panet_tf.weights.loading import load

__all__ = ["LoadReport", "load"]
