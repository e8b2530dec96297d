import keras

from panet_tf.models.faster_rcnn import faster_rcnn, head_for
from tests.models.tiny import CATEGORIES, batch_of_boxes, tiny_backbone

LOSSES = {"rpn_objectness_loss", "rpn_box_loss", "class_loss", "box_loss"}


def test_boxes_only():
    model = faster_rcnn(categories=CATEGORIES, backbone=tiny_backbone(), filters=8)
    outputs = model(batch_of_boxes())
    assert "masks" not in outputs and set(outputs["losses"]) == LOSSES


def test_heads_by_instance_by_class_or_left_out():
    head = keras.layers.Dense(3)
    assert head_for(CATEGORIES, head) is head
    assert head_for(CATEGORIES, lambda num_classes: num_classes) == len(CATEGORIES)
    assert head_for(CATEGORIES, None) is None
