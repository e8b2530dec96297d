"""A small Keypoint R-CNN learns ten images by heart, as the keypoint metric sees it.

Persons of COCO are not part of the repository: the folder that PANET_TF_DATA names must hold
`coco/person_keypoints_train.json` and `coco/train/`. Drawn shapes with four keypoints each serve everybody.
"""

import json
import os
import pathlib

import keras
import pytest

from panet_tf.backbones.mobilenet_v2 import mobilenet_v2
from panet_tf.data.coco_source import CocoSource
from panet_tf.data.detection_data import DetectionData
from panet_tf.data.occluded_shapes_source import OccludedShapesSource
from panet_tf.heads.box import BoxHead
from panet_tf.heads.keypoint import KeypointHead
from panet_tf.heads.rpn import RPNHead
from panet_tf.models.anchor_generator import AnchorGenerator
from panet_tf.models.anchor_sampler import AnchorSampler
from panet_tf.models.keypoint_rcnn import keypoint_rcnn
from panet_tf.models.proposal_selector import ProposalSelector
from panet_tf.models.roi_sampler import RoISampler
from panet_tf.training.evaluate import evaluate
from panet_tf.training.train import train
from panet_tf.training.warmup_cosine_decay import WarmupCosineDecay

IMAGES = 10
COCO = pathlib.Path(os.environ.get("PANET_TF_DATA", "data")) / "coco"


def persons(folder):
    """The first images of which every person is marked, large enough and no crowd."""
    with open(COCO / "person_keypoints_train.json") as file:
        given = json.load(file)
    of_image = {}
    for annotation in given["annotations"]:
        of_image.setdefault(annotation["image_id"], []).append(annotation)
    clear = [
        image
        for image in sorted(given["images"], key=lambda image: image["id"])
        if 1 <= len(of_image.get(image["id"], ())) <= 4
        and all(a["num_keypoints"] >= 5 and a["area"] > 48**2 and not a["iscrowd"] for a in of_image[image["id"]])
    ][:IMAGES]
    assert len(clear) == IMAGES
    chosen = {**given, "images": clear, "annotations": [a for image in clear for a in of_image[image["id"]]]}
    (folder / "persons.json").write_text(json.dumps(chosen))
    return CocoSource(annotations=folder / "persons.json", images=COCO / "train", cache=folder / "cache")


def shapes(folder):
    return OccludedShapesSource(num_examples=IMAGES, image_size=(192, 192), instances=(1, 3), overlap=0.2, seed=4)


def build(categories, filters=64):
    return keypoint_rcnn(
        categories=categories,
        backbone=mobilenet_v2(norm="frozen_bn", weights="imagenet"),
        filters=filters,
        norm="group",
        rpn_head=RPNHead(num_anchors=3, filters=filters),
        box_head=BoxHead(num_classes=len(categories), num_convs=0, num_fcs=2, filters=filters, units=256),
        keypoint_head=KeypointHead(
            num_keypoints=len(categories[0]["keypoints"]), num_convs=4, filters=96, norm="group", keep_logits=True
        ),
        anchor_generator=AnchorGenerator(sizes=(16, 32, 64, 128, 192)),
        anchor_sampler=AnchorSampler(count=64),
        proposal_selector=ProposalSelector(pre_nms_top_k=(200, 100), post_nms_top_k=(100, 50)),
        roi_sampler=RoISampler(count=32, positive_fraction=0.375),
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source_of", "side", "steps"),
    [
        (shapes, 192, 900),
        pytest.param(
            persons,
            320,
            1500,
            marks=pytest.mark.skipif(not COCO.exists(), reason="photographs are absent: set PANET_TF_DATA"),
        ),
    ],
)
def test_ten_images_are_learned_by_heart(source_of, side, steps, tmp_path):
    source = source_of(tmp_path)
    settings = {"source": source, "canvases": ((side, side),), "short_side": side, "long_side": side}
    model = train(
        model=build,
        train_data=DetectionData(**settings, batch_size=2, training=True, max_instances=8),
        model_dir=tmp_path / "run",
        steps=steps,
        optimizer=lambda: keras.optimizers.Adam(WarmupCosineDecay(1e-3, steps=steps, warmup_steps=50)),
    )
    metrics = evaluate(model, DetectionData(**settings, batch_size=2, max_instances=8))
    print(metrics)
    assert metrics["keypoints/AP"] > 0.8, metrics
