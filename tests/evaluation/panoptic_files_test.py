"""COCO's panoptic format: written, read back, and what is wrong with it named."""

import json

import numpy as np
import pytest
from PIL import Image

from panet_tf.evaluation.compare_panoptic_folders import compare_panoptic_folders
from panet_tf.evaluation.panoptic_folder import PanopticFolder
from panet_tf.evaluation.panoptic_png import read_panoptic_png, write_panoptic_png
from panet_tf.evaluation.panoptic_results import panoptic_results
from panet_tf.evaluation.panoptic_submission import PanopticSubmission

CATEGORIES = ({"id": 3, "name": "cell", "isthing": 1}, {"id": 200, "name": "ground", "isthing": 0})


def segments(*pairs):
    return [{"id": number, "category_id": category} for number, category in pairs]


@pytest.fixture
def written(tmp_path):
    """A submission of two images, the first with 400 segments."""
    many = np.arange(400, dtype="int32").reshape(20, 20).repeat(2, 0).repeat(2, 1)
    few = np.array([[0, 7, 7], [70000, 70000, 0]], "int32")
    submission = PanopticSubmission(tmp_path / "out" / "panoptic", categories=CATEGORIES, file_names={5: "b.png"})
    submission.add(12, many, segments(*((n, (3, 200)[n % 2]) for n in range(1, 400))))
    submission.add(5, few, [{"id": np.int64(7), "category_id": 3, "score": np.float32(0.5)}, *segments((70000, 200))])
    return submission, many, few


def test_round_trip(written):
    submission, many, few = written
    path = submission.write()
    assert path == submission.folder.with_name("panoptic.json")
    back = PanopticFolder(path)
    assert back.image_ids == [12, 5] and back.categories == CATEGORIES
    labels, listed = back.ground_truth(12)
    np.testing.assert_array_equal(labels, many)
    assert {segment["id"] for segment in listed} == set(range(1, 400))
    assert back.file(12).name == "000000000012.png" and back.file(5).name == "b.png"
    np.testing.assert_array_equal(back.ground_truth(5)[0], few)
    assert back.ground_truth(5)[1] == [{"id": 7, "category_id": 3, "score": 0.5}, {"id": 70000, "category_id": 200}]
    # By the formula alone.
    red, green, blue = np.asarray(Image.open(back.file(5))).astype(int).transpose(2, 0, 1)
    np.testing.assert_array_equal(red + 256 * green + 65536 * blue, few)
    assert not list(submission.folder.parent.rglob("*.partial"))


def test_a_submission_compared_with_itself(written):
    path = written[0].write()
    quality = compare_panoptic_folders(path, path, workers=3)
    assert quality.result()["pq"] == 1.0 and quality.num_images == 2
    half = compare_panoptic_folders(path, path, image_ids=[5])
    half.merge(compare_panoptic_folders(PanopticFolder(path), path, image_ids=[12]))
    assert half.per_category() == quality.per_category()


def test_a_broken_submission_is_named(written):
    submission, _, few = written
    truth = submission.write()
    predicted = json.loads(truth.read_text())
    worse = truth.with_name("worse.json")
    found = PanopticFolder(predicted, submission.folder)
    predicted["annotations"][1]["segments_info"].append({"id": 9, "category_id": 3})
    with pytest.raises(ValueError, match=r"image 5 \(.*b\.png\): segment 9 is in the prediction's list"):
        compare_panoptic_folders(truth, found)
    del predicted["annotations"][1]
    worse.write_text(json.dumps(predicted))
    with pytest.raises(ValueError, match="worse.json: no prediction for the image id 5"):
        compare_panoptic_folders(truth, PanopticFolder(worse, submission.folder))
    del predicted["categories"]
    with pytest.raises(ValueError, match="must have categories"):
        compare_panoptic_folders(PanopticFolder(predicted, submission.folder), truth)


def test_map_and_list_must_agree(written):
    submission, _, few = written
    for listed, rule in (
        (segments((7, 3)), r"\[70000\] in the map only"),
        (segments((7, 3), (8, 3)), r"\[8\] in the l"),
    ):
        with pytest.raises(ValueError, match=f"000000000006.png: map and list .*{rule}"):
            submission.add(6, few, listed)
    with pytest.raises(ValueError, match="each once"):
        submission.add(6, few, segments((7, 3), (7, 3), (70000, 200)))
    with pytest.raises(ValueError, match="come before"):
        submission.add(5, few, segments((7, 3), (70000, 200)))
    submission.reset()
    submission.add(5, few, segments((7, 3), (70000, 200)))


@pytest.mark.parametrize(
    "content, rule",
    [
        ([], "JSON object with annotations"),
        ({"images": []}, "JSON object with annotations"),
        ({"annotations": [{"image_id": 1, "file_name": "a.png"}]}, r"lacks \['segments_info'\]"),
        ({"annotations": [{"image_id": 1, "file_name": "a.png", "segments_info": []}] * 2}, "image id 1 has two"),
    ],
)
def test_json_that_is_not_of_the_format(tmp_path, content, rule):
    (tmp_path / "a.json").write_text(json.dumps(content))
    (tmp_path / "a").mkdir()
    with pytest.raises(ValueError, match=rule) as error:
        PanopticFolder(tmp_path / "a.json")
    assert "a.json" in str(error.value)


def test_files_that_are_missing(tmp_path):
    with pytest.raises(ValueError, match="none.json"):
        PanopticFolder(tmp_path / "none.json")
    (tmp_path / "a.json").write_text("{not json")
    with pytest.raises(ValueError, match="a.json"):
        PanopticFolder(tmp_path / "a.json")
    with pytest.raises(ValueError, match="must exist, received .*nowhere"):
        PanopticFolder({"annotations": []}, tmp_path / "nowhere")
    with pytest.raises(ValueError, match="folder must say"):
        PanopticFolder({"annotations": []})
    with pytest.raises(ValueError, match="no annotation of image id 3"):
        PanopticFolder({"annotations": []}, tmp_path).ground_truth(3)


def test_pictures_that_hold_no_ids(tmp_path):
    path = tmp_path / "a.png"
    with pytest.raises(ValueError, match="a.png: no such file"):
        read_panoptic_png(path)
    path.write_bytes(b"no picture")
    with pytest.raises(ValueError, match="a.png"):
        read_panoptic_png(path)
    Image.fromarray(np.zeros((4, 4), "uint8")).save(path)
    with pytest.raises(ValueError, match="a.png: segment ids are colours .* mode L"):
        read_panoptic_png(path)
    write_panoptic_png(path, np.random.default_rng(0).integers(0, 2**24, (40, 40)))
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ValueError, match="a.png"):
        read_panoptic_png(path)
    rgba = np.dstack([np.full((4, 4), 2), np.ones((4, 4)), np.zeros((4, 4)), np.full((4, 4), 9)]).astype("uint8")
    Image.fromarray(rgba).save(path)
    assert (read_panoptic_png(path) == 258).all()


def prediction(**changes):
    """Two segments and an empty slot on a canvas of 4 x 8, of which 4 x 6 are the image, twice enlarged."""
    panoptic = np.zeros((4, 8), "int32")
    panoptic[:2, :4], panoptic[2:, :6] = 1, 3
    given = {"panoptic": panoptic, "segment_classes": np.array([1, 0, 2]), "segment_scores": np.array([0.9, 0.0, 0.4])}
    given |= {"original_sizes": np.float32([2, 3]), "scales": np.float32([2, 2]), "offsets": np.zeros(2, "float32")}
    return {**given, **changes}


def test_results_in_the_images_own_pixels():
    labels, listed = panoptic_results(prediction(), CATEGORIES)
    np.testing.assert_array_equal(labels, [[1, 1, 0], [3, 3, 3]])
    first, second = listed
    assert first.pop("score") == pytest.approx(0.9) and second.pop("score") == pytest.approx(0.4)
    assert first == {"id": 1, "category_id": 3, "area": 2, "bbox": [0, 0, 2, 1], "iscrowd": 0}
    assert second == {"id": 3, "category_id": 200, "area": 3, "bbox": [0, 1, 3, 1], "iscrowd": 0}
    thin = np.zeros((4, 8), "int32")
    thin[0, 0], thin[1, 1] = 1, 3  # one pixel that no centre of the smaller image falls on
    assert [s["id"] for s in panoptic_results(prediction(panoptic=thin), CATEGORIES)[1]] == [3]


@pytest.mark.parametrize(
    "changes, rule",
    [
        ({"segment_classes": np.array([1, 0, 0])}, "segment 3 is in the map, and its slot of 3 is empty"),
        ({"segment_classes": np.array([1, 0])}, "segment 3 is in the map"),
        ({"segment_classes": np.array([1, 0, 3])}, r"classes must be 1\.\.2"),
        ({"panoptic": np.full((4, 8), -1)}, "received -1"),
    ],
)
def test_tables_that_do_not_fit_the_map(changes, rule):
    with pytest.raises(ValueError, match=rule):
        panoptic_results(prediction(**changes), CATEGORIES)
