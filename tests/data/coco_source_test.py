import contextlib
import copy
import io
import json
import os
import pathlib

import gin
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from pycocotools import mask as mask_utils
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from panet_tf.data import embedded_paths, image_files
from panet_tf.data.coco_source import CocoSource
from tests import tiny_coco
from tests.tiny_coco import annotation, image_entry


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twelve images of 0 to 11 objects, the first of each a crowd."""
    path = tmp_path_factory.mktemp("source")
    images = [image_entry(i + 1, width=40 + i) for i in range(12)]
    annotations = [
        annotation(100 * i + k + 1, image_id=i + 1, iscrowd=int(k == 0), category_id=(3, 90)[k % 2], area=90.1 + k)
        for i in range(12)
        for k in range(i)
    ]
    tiny_coco.write(path, images, annotations)
    return path


def source_of(folder, **settings):
    settings = {"cache": folder / "cache", "progress": False, **settings}
    return CocoSource(annotations=folder / "all.json", images=folder / "images", **settings)


def ids(samples):
    return [int(s["image_id"]) for s in samples]


def test_samples_are_the_raw_samples_of_the_contract(folder):
    source = source_of(folder)
    assert source.categories == tuple(tiny_coco.CATEGORIES) and source.num_examples == 12
    spec = source.samples().element_spec
    assert spec["image"] == tf.TensorSpec((None, None, 3), tf.uint8)
    assert spec["image_id"] == tf.TensorSpec((), tf.int64) and spec["file_name"] == tf.TensorSpec((), tf.string)
    assert spec["objects"] == {
        "id": tf.TensorSpec((None,), tf.int64),
        "box": tf.TensorSpec((None, 4), tf.float32),
        "class": tf.TensorSpec((None,), tf.int32),
        "is_crowd": tf.TensorSpec((None,), tf.bool),
        "area": tf.TensorSpec((None,), tf.float32),
        "mask": tf.TensorSpec((None, 112, 14), tf.uint8),
        "segmentation": tf.TensorSpec((None,), tf.string),
    }
    for index, sample in enumerate(source.samples().as_numpy_iterator()):
        n = sample["image_id"] - 1
        assert sample["objects"]["class"].tolist() == [1 + k % 2 for k in range(n)]
        assert sample["image"].shape == (30, 40 + n, 3)
        np.testing.assert_array_equal(source.image_sizes[index], sample["image"].shape[:2])
        assert source.num_objects[index] == max(n - 1, 0)
        for counts in sample["objects"]["segmentation"]:
            assert mask_utils.area({"size": [30, 40 + n], "counts": counts}) == 100


def test_a_seed_is_a_permutation_whatever_the_global_seed_and_start_skips_into_it(folder):
    source = source_of(folder)
    plain = ids(source.samples())
    shuffled = ids(source.samples(5))
    tf.random.set_seed(1)
    assert ids(source.samples(tf.constant(5, tf.int64))) == shuffled
    assert sorted(shuffled) == sorted(plain) and shuffled != plain and ids(source.samples(6)) != shuffled
    assert ids(source.samples(5, start=tf.constant(9))) == shuffled[9:]
    epochs = tf.data.Dataset.range(5, 7).flat_map(lambda epoch: source.samples(epoch))
    assert ids(epochs) == shuffled + ids(source.samples(6))


def test_single_samples_are_read_at_random_places(folder):
    source = source_of(folder)
    order = ids(source.samples())
    assert int(source.sample(7)["image_id"]) == order[7]
    fresh = source_of(folder)  # its first use is within the graph
    assert ids(tf.data.Dataset.range(12).map(lambda i: fresh.sample(11 - i))) == order[::-1]


def test_parts_are_disjoint_and_carry_their_own_ground_truth(folder):
    parts = [source_of(folder, part=part) for part in ("[:75%]", "[75%:]")]
    found = [ids(p.samples()) for p in parts]
    assert [len(f) for f in found] == [9, 3] and sorted(found[0] + found[1]) == list(range(1, 13))
    truth = parts[1].coco_ground_truth()
    assert [i["id"] for i in truth["images"]] == found[1]
    assert {a["image_id"] for a in truth["annotations"]} == set(found[1]) - {1}
    for part, message in (("80%", "slice such as"), ("[:x%]", "slice such as"), ("[12:]", "at least one image")):
        with pytest.raises(ValueError, match=message):
            source_of(folder, part=part).num_examples  # noqa: B018 the first use


def test_prepared_data_are_reused_until_something_changes(tmp_path):
    paths = tiny_coco.write(tmp_path)
    first = source_of(tmp_path).builder.data_dir
    stamp = os.stat(first).st_mtime_ns
    assert source_of(tmp_path, part="[:1]").builder.data_dir == first and os.stat(first).st_mtime_ns == stamp
    others = {source_of(tmp_path, keep_empty=False).builder.data_dir}
    others.add(source_of(tmp_path, categories=("cat",)).builder.data_dir)
    Image.new("RGB", (40, 30)).save(paths[1] / "1.png")
    source = source_of(tmp_path)
    others.add(source.builder.data_dir)
    assert not next(iter(source.samples()))["image"].numpy().any()
    tiny_coco.write(tmp_path, annotations=[annotation(2)])
    source = source_of(tmp_path)
    others.add(source.builder.data_dir)
    assert len(others | {first}) == 5 and source.coco_ground_truth()["annotations"][0]["id"] == 2


def test_preparing_is_silent_on_request_but_for_the_counts_of_what_was_wrong(tmp_path, capfd, caplog):
    tiny_coco.write(tmp_path, annotations=[annotation(1), annotation(2, image_id=9)])
    source = source_of(tmp_path)
    next(iter(source.samples()))
    captured = capfd.readouterr()
    assert captured.out == "" and "%" not in captured.err and "FeatureConnector" not in caplog.text
    assert "skipped annotation: image_id is not among the usable images: 1" in caplog.text
    assert source.report.problems[0].annotation_id == 2
    tiny_coco.write(tmp_path)
    source_of(tmp_path, progress=True).builder  # noqa: B018
    assert "Preparing examples: 100%" in capfd.readouterr().err


def test_wrong_paths_fail_at_once(tmp_path):
    tiny_coco.write(tmp_path)
    with pytest.raises(ValueError, match="must be a COCO JSON file, there is none at .* Did you mean all.json?"):
        CocoSource(annotations=tmp_path / "al.json", images=tmp_path)
    with pytest.raises(ValueError, match="images must be a folder, there is none"):
        CocoSource(annotations=tmp_path / "all.json", images=tmp_path / "none")


def test_an_unusable_data_set_leaves_nothing_behind(tmp_path):
    tiny_coco.write(tmp_path, draw=False)
    for _ in range(2):
        with pytest.raises(ValueError, match="needs images, none of the 1"):
            source_of(tmp_path).builder  # noqa: B018
    tiny_coco.write(tmp_path)
    assert source_of(tmp_path).num_examples == 1


def test_evaluation_data_take_the_training_sources_classes(tmp_path):
    (tmp_path / "val").mkdir()
    tiny_coco.write(tmp_path)
    tiny_coco.write(tmp_path / "val", categories=tiny_coco.CATEGORIES[::-1])
    source = source_of(tmp_path / "val", categories=source_of(tmp_path).categories)
    assert source.categories == tuple(tiny_coco.CATEGORIES)
    assert next(iter(source.samples()))["objects"]["class"].numpy().tolist() == [1]


def test_gin_builds_a_source(tmp_path):
    tiny_coco.write(tmp_path)
    paths = f"'{tmp_path}/all.json'\nCocoSource.images = '{tmp_path}/images'\nCocoSource.cache = '{tmp_path}'"
    gin.parse_config(f"CocoSource.annotations = {paths}\nCocoSource.progress = False")
    assert gin.get_configurable("panet_tf.CocoSource")().num_examples == 1


def summary(truth, detections, kind):
    """COCOeval's twelve numbers."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = copy.deepcopy(truth)
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(copy.deepcopy(detections)), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


def as_detections(truth, kind):
    """Ground truth as detections: boxes moved a little and scores by id, so that every threshold and area counts."""
    found = []
    for a in truth["annotations"]:
        score = (a["id"] * 7919 % 1000) / 1000
        entry = {"image_id": a["image_id"], "category_id": a["category_id"], "score": score}
        if kind == "bbox":
            x, y, w, h = a["bbox"]
            shift = (a["id"] % 5) * 0.1
            found.append({**entry, "bbox": [x + shift * w, y, w, h]})
        elif kind == "keypoints":
            shift = np.array([a["id"] % 5, 0, 0])
            points = np.reshape(a["keypoints"], (-1, 3)) + shift
            found.append({**entry, "keypoints": points.reshape(-1).tolist()})
        else:
            size = next(i for i in truth["images"] if i["id"] == a["image_id"])
            rle = a["segmentation"]
            if isinstance(rle, list):
                rle = mask_utils.merge(mask_utils.frPyObjects(rle, size["height"], size["width"]))
            elif isinstance(rle["counts"], list):
                rle = mask_utils.frPyObjects(rle, size["height"], size["width"])
            mask = np.roll(mask_utils.decode(rle), a["id"] % 5, axis=1)
            found.append({**entry, "segmentation": mask_utils.encode(np.asfortranarray(mask))})
    return found


def check_same_numbers(annotations, images, cache, kinds):
    original = json.loads(pathlib.Path(annotations).read_text())
    source = CocoSource(annotations=annotations, images=images, cache=cache, progress=False)
    ours = source.coco_ground_truth()
    by_id = {a["id"]: a for a in ours["annotations"]}
    assert len(by_id) == len(original["annotations"]) and source.num_examples == len(original["images"])
    for a in original["annotations"]:
        for key in ("image_id", "category_id", "area", "bbox", "iscrowd", "keypoints", "num_keypoints"):
            if key in a:
                assert by_id[a["id"]][key] == a[key]
    for kind in kinds:
        detections = as_detections(original, kind)
        expected = summary(original, detections, kind)
        assert 0.05 < expected[0] < 0.95
        np.testing.assert_array_equal(summary(ours, detections, kind), expected)


def test_ground_truth_gives_the_numbers_of_the_original_file(tmp_path):
    annotations, images = embedded_paths.nuclei_mini("val")
    check_same_numbers(annotations, images, tmp_path, ("bbox", "segm"))


@pytest.mark.parametrize(
    ("name", "kinds"), [("instances_val", ("bbox", "segm")), ("person_keypoints_val", ("bbox", "segm", "keypoints"))]
)
def test_ground_truth_of_coco_gives_the_numbers_of_the_original_file(tmp_path, name, kinds):
    """Polygons, crowds and keypoints of COCO's own; its photographs are not in the repository."""
    folder = os.environ.get("PANET_TF_COCO")
    if not folder:
        pytest.skip("PANET_TF_COCO names no folder with instances_val.json and val/")
    check_same_numbers(f"{folder}/{name}.json", f"{folder}/val", tmp_path, kinds)


def test_a_list_of_images_without_annotations_is_a_source(tmp_path):
    """As COCO lists its test images: there is nothing to learn or to compare with, but they can be shown."""
    tiny_coco.write(tmp_path, [image_entry(i) for i in (1, 2)])
    content = json.loads((tmp_path / "all.json").read_text())
    content.pop("annotations")
    (tmp_path / "all.json").write_text(json.dumps(content))
    source = source_of(tmp_path)
    assert source.num_examples == 2 and source.num_objects.tolist() == [0, 0]
    assert source.coco_ground_truth()["annotations"] == [] and len(ids(source.samples())) == 2
    with pytest.raises(ValueError, match="none called 'annotations'"):
        source_of(tmp_path, keep_empty=False).num_examples  # noqa: B018 the first use


def test_an_interrupted_preparation_is_not_taken_for_whole(tmp_path, monkeypatch):
    paths = tiny_coco.write(tmp_path, [image_entry(i) for i in (1, 2, 3)])
    read = image_files.read_image

    def interrupted(path, **size):
        if path.name == "3.png":
            raise KeyboardInterrupt
        return read(path, **size)

    monkeypatch.setattr(image_files, "read_image", interrupted)
    with pytest.raises(KeyboardInterrupt):
        source_of(tmp_path).builder  # noqa: B018 the first use
    monkeypatch.undo()
    assert source_of(tmp_path).num_examples == 3 and paths[0].exists()
