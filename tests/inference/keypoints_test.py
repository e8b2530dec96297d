"""Keypoints through the predictor: in the image's own pixels, exactly or as the graph reads them."""

import numpy as np
import tensorflow as tf
from pycocotools import mask as mask_utils

from panet_tf.data.preprocessing import Preprocessing
from panet_tf.inference.detections_json import DetectionsJson
from panet_tf.inference.keypoints import keeping_logits, keypoint_result
from panet_tf.inference.overlay import overlay
from panet_tf.inference.predictor import Predictor
from tests.models.keypoint_rcnn_test import small_head, tiny

PREPROCESSING = Preprocessing(canvases=((64, 96),), short_side=64, long_side=96)
IMAGE = np.random.default_rng(0).integers(0, 255, (32, 40, 3), dtype=np.uint8)


def test_the_predictor_reads_exactly_when_asked():
    model = tiny(keypoint_head=small_head(score="logit"))
    (exact,) = Predictor(model, preprocessing=PREPROCESSING, exact_keypoints=True)(IMAGE)
    assert exact["keypoints"].shape == (len(exact["boxes"]), 3, 3) and len(exact["skeletons"]) == len(exact["boxes"])
    assert not model.keypoint_head.keep_logits
    inputs = {key: value[None] for key, value in PREPROCESSING(IMAGE, (64, 96)).items()}
    with keeping_logits(model, True):
        whole = {key: value[0].numpy() for key, value in model(inputs).items()}
    whole |= {key: inputs[key][0].numpy() for key in ("scales", "offsets")}
    keep = np.flatnonzero(whole["classes"] > 0)
    np.testing.assert_allclose(exact["keypoints"], keypoint_result(whole, keep, "logit"), atol=1e-3)
    del whole["keypoint_logits"]
    np.testing.assert_array_equal(keypoint_result(whole, keep), whole["keypoints"][keep])


def test_models_without_keypoints_are_left_alone():
    model = tf.Module()
    with keeping_logits(model, True):
        pass
    assert not hasattr(model, "keypoint_head")


def result():
    points = np.float32([[[8.5, 10.5, 0.9], [20.5, 30.5, 0.3]]])
    return {
        "file_name": "a.png",
        "size": (32, 40),
        "boxes": np.float32([[4, 4, 24, 36]]),
        "scores": np.float32([0.8]),
        "category_ids": np.array([7]),
        "names": ["person"],
        "keypoints": points,
        "skeletons": [[[1, 2]]],
    }


def test_coco_files_hold_them():
    coco = DetectionsJson([{"id": 7, "name": "person"}])
    coco.add(result())
    np.testing.assert_allclose(coco.results()[0]["keypoints"], [10, 8, 0.9, 30, 20, 0.3], rtol=1e-6)
    annotation = coco.dataset()["annotations"][0]
    np.testing.assert_allclose(annotation["keypoints"], [10, 8, 2, 30, 20, 2])
    assert annotation["num_keypoints"] == 2


def test_overlays_show_them_beside_the_annotated_ones():
    truth = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "categories": [{"id": 7, "name": "person", "skeleton": [[1, 2]]}],
        "annotations": [
            {
                "image_id": 1,
                "category_id": 7,
                "bbox": [4, 4, 32, 20],
                "iscrowd": 0,
                "segmentation": mask_utils.encode(np.zeros((32, 40), "uint8", order="F")),
                "keypoints": [10, 8, 2, 30, 20, 2],
            }
        ],
    }
    grey = np.full((32, 40, 3), 128, "uint8")
    picture = overlay(result(), ground_truth=truth, image=grey, scale=4)
    without = overlay({**result(), "keypoints": None}, ground_truth=truth, image=grey, scale=4)
    changed = (picture != without).any(-1)
    assert changed[:, :160].any() and not changed[:, 170:].any()
    prediction, annotated = picture[-128:, :160], picture[-128:, -160:]
    for y, x in ((34, 42), (82, 122)):  # the points, four times enlarged
        assert (prediction[y, x] != 128).any() and (annotated[y, x] != 128).any()
        np.testing.assert_array_equal(prediction[y, x], annotated[y, x])
