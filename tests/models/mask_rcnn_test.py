from panet_tf.layers.roi_pooling import FPNLevelPooling
from panet_tf.models.mask_rcnn import mask_rcnn
from tests.models.tiny import CATEGORIES, batch_of_boxes, tiny_backbone


def test_masks_come_from_one_level_a_region():
    model = mask_rcnn(categories=CATEGORIES, backbone=tiny_backbone(), filters=8)
    assert isinstance(model.box_pooling, FPNLevelPooling) and isinstance(model.mask_pooling, FPNLevelPooling)
    assert model.mask_head.fully_connected is None
    outputs = model(batch_of_boxes())
    assert outputs["masks"].shape == (2, 100, 28, 28) and "mask_loss" in outputs["losses"]
