import numpy as np
import pytest
from pycocotools import mask as mask_utils

from panet_tf.data.coco_source import CocoSource
from panet_tf.data.detection_data import DetectionData
from panet_tf.data.embedded import nuclei_mini
from panet_tf.data.panoptic_from_instances import PanopticFromInstances
from tests import tiny_coco


@pytest.fixture(scope="module")
def nuclei(tmp_path_factory):
    source = nuclei_mini("val", cache=tmp_path_factory.mktemp("cache"), progress=False)
    return PanopticFromInstances(source=source, stuff="tissue")


def test_nuclei_and_the_tissue_between_them(nuclei):
    assert [(c["id"], c["name"], c["isthing"]) for c in nuclei.panoptic_categories] == [
        (1, "nucleus", 1), (2, "tissue", 0)
    ]  # fmt: skip
    assert nuclei.num_examples == 20 and nuclei.num_objects.sum() == 505 and len(nuclei.categories) == 1
    truth, coco = nuclei.panoptic_ground_truth(), nuclei.coco_ground_truth()
    seen = 0
    for image_id in truth.image_ids[:6]:
        ids, segments = truth.ground_truth(image_id)
        annotations = [a for a in coco["annotations"] if a["image_id"] == image_id]
        masks = [mask_utils.decode(a["segmentation"]) > 0 for a in annotations]
        assert segments[-1]["category_id"] == 2 and len(segments) == len(masks) + 1
        np.testing.assert_array_equal(ids == segments[-1]["id"], ~np.any(masks, axis=0))
        alone = np.sum(masks, axis=0) == 1
        for number, mask in enumerate(masks, start=1):
            np.testing.assert_array_equal((ids == number) & alone, mask & alone)
            seen += 1
    assert seen > 80


def test_it_feeds_the_pipeline_with_what_its_truth_says(nuclei):
    data = DetectionData(
        source=nuclei,
        batch_size=4,
        canvases=((256, 256),),
        short_side=None,
        max_instances=100,
        semantic_context="stuff_plus_thing",
    )
    truth = nuclei.panoptic_ground_truth()
    batch = next(iter(data.dataset().as_numpy_iterator()))
    for row, image_id in enumerate(batch["image_ids"]):
        ids, segments = truth.ground_truth(image_id)
        cells = ids[2::4, 2::4]
        np.testing.assert_array_equal(batch["semantic"][row], cells == segments[-1]["id"])  # things are class 0
        if len(segments) <= 100:
            np.testing.assert_array_equal(batch["panoptic"][row], np.where(cells == segments[-1]["id"], 0, cells))


def test_the_smaller_of_two_keeps_their_border_and_crowds_lie_below(tmp_path):
    def square(identity, x, side, **more):
        corners = [[x, 0, x + side, 0, x + side, side, x, side]]
        return tiny_coco.annotation(identity, segmentation=corners, bbox=[x, 0, side, side], area=side**2, **more)

    annotations = [square(1, 4, 4), square(2, 0, 6), square(3, 7, 5, iscrowd=1)]
    file, images = tiny_coco.write(tmp_path, annotations=annotations)
    source = CocoSource(annotations=file, images=images, cache=tmp_path / "cache", progress=False)
    raw = PanopticFromInstances(source=source, stuff={"name": "sky", "color": [1, 2, 3]}).sample(0)
    assert raw["panoptic"][0, :14, 0].numpy().tolist() == [2] * 4 + [1] * 4 + [3] * 4 + [4] * 2
    assert raw["segments"]["category"].numpy().tolist() == [1, 1, 1, 3]
    assert raw["objects"]["segment"].numpy().tolist() == [1, 2, 3]
