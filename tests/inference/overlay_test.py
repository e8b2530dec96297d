"""Pictures of predictions beside their ground truth."""

import numpy as np
from PIL import Image

from panet_tf.evaluation.rle import masks_to_rle
from panet_tf.inference.overlay import overlay

IMAGE = np.full((256, 300, 3), 60, "uint8")
BOX = np.array([[40, 50, 90, 140]], "float32")
CODES = masks_to_rle(np.ones((1, 28, 28)), BOX, (256, 300))


def result(name):
    score = np.array([0.8], "float32")
    return {"file_name": name, "size": (256, 300), "boxes": BOX, "scores": score, "names": ["cat"], "masks": CODES}


def truth(name):
    annotation = {"image_id": 5, "category_id": 3, "bbox": [50, 40, 90, 50], "iscrowd": 0, "segmentation": CODES[0]}
    crowd = {**annotation, "bbox": [150, 150, 90, 90], "iscrowd": 1}
    images = [{"id": 4, "file_name": "other.png"}, {"id": 5, "file_name": name}]
    return {"images": images, "annotations": [annotation, crowd], "categories": [{"id": 3, "name": "cat"}]}


def test_small_images_are_enlarged_and_files_read(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(IMAGE).save(path)
    assert overlay(result(str(path))).shape == (512, 600, 3)
    picture = overlay(result(str(path)), scale=1)
    assert picture.shape == IMAGE.shape
    assert (picture[60, 70] != 60).any() and (picture[200, 200] == 60).all()
    np.testing.assert_array_equal(overlay(result(str(path)), scale=1, score_threshold=0.9), IMAGE)


def test_ground_truth_stands_at_the_right():
    picture = overlay(result("folder/a.png"), ground_truth=truth("a.png"), scale=1, score_threshold=0.9, image=IMAGE)
    assert picture.shape[1] == 2 * 300 + 8
    top = picture.shape[0] - 256
    np.testing.assert_array_equal(picture[top:, :300], IMAGE)
    assert (picture[top + 60, 308 + 70] != 60).any()
    assert (picture[top + 200, 308 + 200] == 60).all()  # crowds are not objects
    same = overlay(result("x/b/a.png"), ground_truth=truth("b/a.png"), scale=1, score_threshold=0.9, image=IMAGE)
    np.testing.assert_array_equal(same, picture)
    alone = overlay(result("c/a.png"), ground_truth=truth("b/a.png"), scale=1, image=IMAGE)
    assert alone.shape == IMAGE.shape  # the name of another folder's image
    alone = overlay(result("b.png"), ground_truth=truth("a.png"), scale=1, image=IMAGE)
    assert alone.shape == IMAGE.shape
