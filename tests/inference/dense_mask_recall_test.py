"""The upper bound on recall, against the evaluator of proposals that is given every window."""

import logging
import types

import numpy as np
import pytest
import tensorflow as tf
from pycocotools import mask as coco_mask

from panet_tf.data.preprocessing import Preprocessing
from panet_tf.evaluation.proposal_recall import ProposalRecall
from panet_tf.inference.dense_mask_recall import dense_mask_recall
from tests.models.deep_mask_test import Oracle, tiny

ELLIPSES = {3: (30.0, 40.0, 22.0, 15.0), 4: (40.0, 20.0, 11.0, 13.5), 8: None}  # image id: centre and radii


def scene():
    """Three images of one object or none, and of crowds, as `dense_mask_recall` and `ProposalRecall` take them."""
    rows, columns = np.mgrid[:64, :64] + 0.5
    images, annotations = np.zeros((4, 64, 64, 3), "float32"), []
    for image, (number, ellipse) in zip(images, ELLIPSES.items()):
        if ellipse is None:
            continue
        cy, cx, ry, rx = ellipse
        mask = ((rows - cy) / ry) ** 2 + ((columns - cx) / rx) ** 2 <= 1
        image[mask, 0] = 2.0
        code = coco_mask.encode(np.asfortranarray(mask, "uint8"))
        annotations.append(
            {"id": number, "image_id": number, "category_id": 1, "iscrowd": 0, "area": float(mask.sum()),
             "bbox": coco_mask.toBbox(code).tolist(), "segmentation": {**code, "counts": code["counts"].decode()}}
        )  # fmt: skip
    blank = np.zeros((64, 64), "uint8", order="F")
    blank[:20, 40:] = 1
    code = coco_mask.encode(blank)
    for number in (3, 8):  # crowds where nothing is seen: found by no mask, and counted by none
        annotations.append(
            {"id": 100 + number, "image_id": number, "category_id": 1, "iscrowd": 1, "area": 480.0,
             "bbox": [40, 0, 24, 20], "segmentation": {**code, "counts": code["counts"].decode()}}
        )  # fmt: skip
    truth = {
        "images": [{"id": number, "height": 64, "width": 64} for number in ELLIPSES],
        "categories": [{"id": 1, "name": "ellipse"}],
        "annotations": annotations,
    }
    ids = tf.data.Dataset.from_tensor_slices({"images": images, "image_ids": np.int64([*ELLIPSES, -1])})
    return types.SimpleNamespace(
        dataset=lambda: ids.batch(2), source=types.SimpleNamespace(coco_ground_truth=lambda: truth)
    )


def test_it_is_the_recall_of_all_windows(caplog):
    data, head = scene(), Oracle(kernel_size=6, channels=None, rank=36, mask_size=6)
    model = tiny(head, input_size=48, context=8, grey=(0, 0, 0), max_proposals=1000, output_size=48)
    done = []
    found = dense_mask_recall(model, data, chunk=50, progress=done.append)
    recall = ProposalRecall(data.source.coco_ground_truth(), counts=(1000,), tight_boxes=True)
    for batch in data.dataset():
        recall.update({key: np.asarray(value) for key, value in model(batch).items()})
    wanted = recall.result()
    assert 0.3 < found["dense/AR"] <= 1.0 and done == [2, 3]
    for name in ("AR", "ARs", "ARm", "ARl"):
        key = "AR1000" if name == "AR" else name
        assert found[f"dense/{name}"] == pytest.approx(wanted[f"proposals/segm/{key}"], abs=1e-6)
    assert found["dense/ARl"] == -1  # no object of that size
    model.preprocessing, data.preprocessing = Preprocessing(), Preprocessing(short_side=600)
    with caplog.at_level(logging.WARNING):
        one = dense_mask_recall(model, data, max_images=1)
    assert "The data have short_side 600" in caplog.text
    assert one["dense/masks"] == found["dense/masks"] > 50
