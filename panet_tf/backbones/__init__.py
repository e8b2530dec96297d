"""Feature extractors: functional Keras models from images to levels C2 to C5."""

from panet_tf.backbones.adapter import adapt_backbone
from panet_tf.backbones.classifier import classifier
from panet_tf.backbones.freezing import freeze
from panet_tf.backbones.mobilenet_v2 import mobilenet_v2
from panet_tf.backbones.resnet import resnet, resnext
from panet_tf.backbones.senet import se_resnet, se_resnext, senet154

__all__ = [
    "adapt_backbone",
    "classifier",
    "freeze",
    "mobilenet_v2",
    "resnet",
    "resnext",
    "se_resnet",
    "se_resnext",
    "senet154",
]
