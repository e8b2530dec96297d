import json
import types

import numpy as np
import pytest
from PIL import Image

from panet_tf.inference.prediction_folder import PredictionFolder

PREDICTOR = types.SimpleNamespace(categories=({"id": 4, "name": "cat"},), panoptic_categories=None)


@pytest.fixture
def written(tmp_path):
    """Annotations of three images, one of unknown size, and proposals for two of them."""
    images = [{"id": 8, "file_name": "a.png", "height": 30, "width": 40}]
    images += [{"id": 5, "file_name": "b.png", "height": 20, "width": 20}, {"id": 6, "file_name": "c.png"}]
    truth = {"images": images, "annotations": [], "categories": [{"id": 4, "name": "cat"}]}
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    found = [{"image_id": 5, "category_id": 4, "bbox": [1, 2, 3, 4], "score": 0.3}]
    found += [{"image_id": 8, "category_id": 4, "bbox": [10 * i, 2, 5, 6], "score": i / 10} for i in range(3)]
    (tmp_path / "proposals.json").write_text(json.dumps(found))
    return tmp_path


def test_proposals_come_in_the_order_of_the_files(written):
    folder = PredictionFolder(written / "out", PREDICTOR, root=written, annotations=written / "truth.json")
    files = [written / "b.png", written / "c.png", written / "a.png"]
    boxes = list(folder.proposals(written / "proposals.json", files))
    np.testing.assert_array_equal(boxes[0], [[2, 1, 6, 4]])
    assert boxes[1].shape == (0, 4)
    np.testing.assert_array_equal(boxes[2][:, 1], [20, 10, 0])  # best first


def test_a_list_of_images_is_enough_for_their_ids(written):
    truth = json.loads((written / "truth.json").read_text())
    (written / "images.json").write_text(json.dumps({"images": truth["images"]}))
    folder = PredictionFolder(written / "out", PREDICTOR, root=written, annotations=written / "images.json")
    boxes = list(folder.proposals(written / "proposals.json", [written / "a.png"]))
    assert boxes[0].shape == (3, 4) and folder.coco.image_id("b.png") == 5
    Image.fromarray(np.zeros((30, 40, 3), "uint8")).save(written / "a.png")
    empty = {"boxes": np.zeros((0, 4)), "scores": np.zeros(0), "category_ids": [], "names": []}
    folder.add({"file_name": str(written / "a.png"), "size": (30, 40), **empty})
    assert (written / "out" / "overlays" / "a.png").exists()
    (written / "wrong.json").write_text("{}")
    with pytest.raises(ValueError, match="lacks"):
        PredictionFolder(written / "out", PREDICTOR, root=written, annotations=written / "wrong.json")


def test_proposals_of_other_images_are_refused(written):
    folder = PredictionFolder(written / "out", PREDICTOR, root=written)
    with pytest.raises(ValueError, match="give their annotations"):
        folder.proposals(written / "proposals.json", [written / "a.png"])
    folder = PredictionFolder(written / "out", PREDICTOR, root=written, annotations=written / "truth.json")
    with pytest.raises(ValueError, match="other.png"):
        folder.proposals(written / "proposals.json", [written / "other.png"])
    outside = [{"image_id": 5, "bbox": [1, 2, 30, 4], "score": 0.3}]
    (written / "outside.json").write_text(json.dumps(outside))
    with pytest.raises(ValueError, match="must lie in their images"):
        folder.proposals(written / "outside.json", [written / "b.png"])
