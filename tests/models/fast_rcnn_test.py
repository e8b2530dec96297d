"""Fast R-CNN, and the network whose proposals it takes: from one model to a file, from there to the other."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from panet_tf.backbones.resnet import resnet
from panet_tf.backbones.vgg import vgg
from panet_tf.data.proposals import Proposals
from panet_tf.evaluation.proposal_recall import ProposalRecall
from panet_tf.evaluation.proposal_writer import ProposalWriter
from panet_tf.heads.average_box import AverageBoxHead
from panet_tf.heads.box import BoxHead
from panet_tf.heads.res5 import Res5Head
from panet_tf.heads.vgg_box import VGGBoxHead
from panet_tf.models.anchor_generator import AnchorGenerator
from panet_tf.models.anchor_sampler import AnchorSampler
from panet_tf.models.detection_selector import DetectionSelector
from panet_tf.models.fast_rcnn import fast_rcnn, fast_rcnn_vgg16
from panet_tf.models.faster_rcnn import faster_rcnn
from panet_tf.models.proposal_selector import ProposalSelector
from panet_tf.models.roi_sampler import RoISampler
from panet_tf.models.separate_stages import proposer
from tests.models.tiny import CATEGORIES, batch_of_boxes, tiny_backbone


def with_proposals(slots=10, **kwargs):
    """A batch whose proposals are its objects, moved a little, and boxes anywhere."""
    batch = batch_of_boxes(**kwargs)
    rng = np.random.default_rng(5)
    proposals = np.zeros((2, slots, 4), "float32")
    proposals[:, :2] = batch["boxes"][:, :2] + rng.uniform(-2, 2, (2, 2, 4))
    corner = rng.uniform(0, 40, (2, slots - 4, 2))
    proposals[:, 2:-2] = np.concatenate([corner, corner + rng.uniform(8, 24, (2, slots - 4, 2))], axis=-1)
    return batch | {"proposals": proposals}  # the last two slots are empty


def tiny(build=fast_rcnn, **kwargs):
    parts = {
        "backbone": tiny_backbone(),
        "filters": 8,
        "box_head": BoxHead(num_classes=2, num_convs=0, num_fcs=1, units=16),
        "roi_sampler": RoISampler(count=8),
        "detection_selector": DetectionSelector(score_threshold=0.0, max_detections=6),
    }
    return build(categories=CATEGORIES, **(parts | kwargs))


def test_it_learns_on_the_proposals_and_finds_only_around_them():
    keras.utils.set_random_seed(0)
    model = tiny()
    model.compile(optimizer=keras.optimizers.Adam(3e-3), jit_compile=True)
    batch = with_proposals()
    history = model.fit(tf.data.Dataset.from_tensors(batch).repeat(), steps_per_epoch=15, epochs=2, verbose=0).history
    assert set(history) == {"class_loss", "box_loss", "loss"} and history["loss"][-1] < 0.8 * history["loss"][0]
    outputs = model.predict(tf.data.Dataset.from_tensors(batch), verbose=0)
    assert outputs["boxes"].shape == (2, 6, 4)
    none = model.predict(tf.data.Dataset.from_tensors(batch | {"proposals": 0 * batch["proposals"]}), verbose=0)
    assert not none["num_detections"].any() and not none["boxes"].any()
    with pytest.raises(ValueError, match="received others beside it"):
        fast_rcnn(categories=CATEGORIES, assemble=faster_rcnn, box_beta=0.5)
    del batch["proposals"]
    with pytest.raises(ValueError, match="takes its regions from the inputs: 'proposals'"):
        model(batch)


def test_vgg_s_own_head_on_pooled_regions(tmp_path):
    """The paper's model, narrow: saved and loaded, trained for a step."""
    model = fast_rcnn_vgg16(
        categories=CATEGORIES,
        backbone=vgg(11),
        box_head=VGGBoxHead(num_classes=2, units=8),
        detection_selector=DetectionSelector(score_threshold=0.0, max_detections=6),
    )
    assert model.rpn_head is None and (model.box_pooling.operator, model.roi_sampler.background_iou) == ("pool", 0.1)
    batch = with_proposals()
    expected = model(batch)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    tf.nest.map_structure(np.testing.assert_array_equal, loaded(batch), expected)
    loaded.compile(optimizer=keras.optimizers.SGD(0.01), run_eagerly=True)
    logs = loaded.train_on_batch(batch, return_dict=True)
    assert all(np.isfinite(value) for value in logs.values())


def test_a_last_stage_on_regions_has_the_backbone_s_weights():
    backbone, head = resnet(50, norm="frozen_bn"), Res5Head(strides=2)
    model = fast_rcnn(
        categories=CATEGORIES, backbone=backbone, shared_head=head, box_head=AverageBoxHead(num_classes=2)
    )
    assert tuple(model.backbone.output) == ("C4",) and model.necks == []
    kernels = [next(w for w in part.weights if "layer4_0_conv1/kernel" in w.path) for part in (backbone, head)]
    np.testing.assert_array_equal(*kernels)


def test_background_comes_from_near_the_objects_where_it_is_asked_for():
    boxes = tf.constant([[[0.0, 0, 20, 20]]])
    proposals = [[0.0, 0, 20, 18], [10, 0, 30, 20], [40, 40, 60, 60], [0, 18, 20, 38]]  # IoU 0.9, 0.33, 0 and 0.05
    proposals = tf.constant([proposals])
    inputs = proposals, tf.ones((1, 4), tf.bool), boxes, tf.constant([[1]]), tf.zeros((1, 1), tf.bool)
    noise = tf.constant([[0.1, 0.2, 0.3, 0.4]])
    for lowest, expected in ((0.0, [1, 0, 0, 0]), (0.04, [1, 0, 0, -1]), (0.1, [1, 0, -1, -1])):
        sampler = RoISampler(count=4, positive_fraction=0.5, append_boxes=False, background_iou=lowest)
        assert sampler(*inputs, noise)["classes"].numpy().tolist() == [expected]
        assert RoISampler.from_config(sampler.get_config()).background_iou == lowest


def test_proposals_of_an_rpn_reach_fast_rcnn_by_a_file(tmp_path):
    """The network's detections, their recall, the file, and the batch that Fast R-CNN takes."""
    whole = functools.partial(
        faster_rcnn,
        backbone=tiny_backbone(),
        filters=8,
        box_head=BoxHead(num_classes=2, num_fcs=1, units=16),
        anchor_generator=AnchorGenerator(sizes=(8, 16, 24, 32, 48)),
        anchor_sampler=AnchorSampler(count=32),
        proposal_selector=ProposalSelector(pre_nms_top_k=50, post_nms_top_k=40),
    )
    model = proposer(categories=CATEGORIES, assemble=whole, count=30)
    batch = batch_of_boxes()
    outputs = model.predict(tf.data.Dataset.from_tensors(batch), verbose=0)
    assert outputs["boxes"].shape == (2, 30, 4) and set(np.unique(outputs["classes"])) <= {0, 1}
    truth = {
        "images": [{"id": i, "height": 32, "width": 48} for i in range(2)],
        "categories": [dict(category) for category in CATEGORIES],
        "annotations": [
            {"id": 1 + 2 * i + j, "image_id": i, "category_id": 7, "bbox": [x0, y0, x1 - x0, y1 - y0], "area": 200}
            for i in range(2)
            for j, (y0, x0, y1, x1) in enumerate((batch["boxes"][i, :2] / 2).tolist())
        ],
    }
    recall, writer = ProposalRecall(truth, metrics="bbox", counts=(1, 30)), ProposalWriter(tmp_path / "p.json")
    for evaluator in (recall, writer):
        evaluator.update(outputs)
    result = recall.result()
    assert 0 <= result["proposals/bbox/AR1"] <= result["proposals/bbox/AR30"] <= 1
    assert writer.result()["proposals/written"] == outputs["num_detections"].sum() > 20
    boxes, scores = Proposals(writer.path).of_image(1, size=(32, 48))
    number = outputs["num_detections"][1]
    np.testing.assert_allclose(boxes, outputs["boxes"][1, :number], atol=0.01)  # hundredths of a pixel
    proposals = np.zeros((2, 30, 4), "float32")
    proposals[1, :number] = 2 * boxes  # the scale
    found = tiny().predict(tf.data.Dataset.from_tensors(batch_of_boxes() | {"proposals": proposals}), verbose=0)
    assert found["num_detections"][0] == 0 < found["num_detections"][1]
