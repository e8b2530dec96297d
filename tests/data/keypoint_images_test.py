import numpy as np
import pytest

from panet_tf.data.coco_source import CocoSource
from panet_tf.data.detection_data import DetectionData
from panet_tf.data.keypoint_images import KeypointImages
from tests import tiny_coco
from tests.tiny_coco import annotation, image_entry

LABELLED = {1: 0, 2: 2, 3: 1, 4: 3}  # labelled keypoints of each image


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("keypoints")
    categories = [{"id": 3, "name": "cat", "keypoints": ["nose", "left_ear", "right_ear"], "skeleton": [[1, 2]]}]
    annotations = []
    for image, count in LABELLED.items():
        points = [[5 + j, 7, 2] if j < count else [0, 0, 0] for j in range(3)]
        flat = [number for point in points for number in point]
        annotations.append(annotation(10 * image, image_id=image, keypoints=flat, num_keypoints=count))
        annotations.append(annotation(10 * image + 1, image_id=image, iscrowd=1, keypoints=[1, 1, 2] * 3))
    images = [image_entry(image, width=40 + image) for image in LABELLED]
    tiny_coco.write(path, images, annotations, categories=categories)
    return CocoSource(annotations=path / "all.json", images=path / "images", cache=path / "cache", progress=False)


@pytest.mark.parametrize("least", [1, 2])
def test_images_without_enough_are_left_out(source, least):
    kept = KeypointImages(source=source, min_keypoints=least)
    wanted = {image for image, count in LABELLED.items() if count >= least}
    assert kept.num_examples == len(wanted) == len(kept.image_sizes) == len(kept.num_objects)
    samples = [kept.sample(i) for i in range(kept.num_examples)]
    assert {int(sample["image_id"]) for sample in samples} == wanted
    for sample, size in zip(samples, kept.image_sizes):
        np.testing.assert_array_equal(sample["image"].shape[:2], size)
    truth = kept.coco_ground_truth()
    assert {image["id"] for image in truth["images"]} == {a["image_id"] for a in truth["annotations"]} == wanted
    assert sorted(int(sample["image_id"]) for sample in kept.samples(shuffle_seed=3)) == sorted(wanted)
    assert kept.categories == source.categories


class WithoutFile:
    """A source that knows its annotations, but no file of them."""

    num_examples = 2
    image_sizes = num_objects = np.array([7, 8])

    def __init__(self, *visibilities):
        keypoints = [number for v in visibilities for number in (1, 1, v)]
        self.truth = {"images": [{"id": 9}, {"id": 4}], "annotations": [{"image_id": 4, "keypoints": keypoints}]}

    def coco_ground_truth(self):
        return self.truth


def test_sources_without_a_file():
    assert KeypointImages(source=WithoutFile(0, 2)).num_objects.tolist() == [8]
    with pytest.raises(ValueError, match="need 1 labelled keypoints each, received none of 2"):
        KeypointImages(source=WithoutFile(0, 0))


def test_batches_of_it(source):
    data = DetectionData(
        source=KeypointImages(source=source), batch_size=3, canvases=((64, 64),), short_side=None, max_instances=2
    )
    batch = next(iter(data.dataset()))
    labelled = {
        int(image): int(np.sum(points[~crowd, :, 2] > 0))
        for image, points, crowd in zip(batch["image_ids"], batch["keypoints"].numpy(), batch["is_crowd"].numpy())
    }
    assert labelled == {image: count for image, count in LABELLED.items() if count}
