"""Cityscapes' files of results: written, read back, scored, and what broken ones answer."""

import types

import numpy as np
import pytest
from PIL import Image

from panet_tf.evaluation.cityscapes_evaluator import CityscapesEvaluator
from panet_tf.evaluation.cityscapes_results import (
    CityscapesResults,
    find_cityscapes_results,
    read_cityscapes_results,
    read_instance_mask,
)
from panet_tf.evaluation.compare_cityscapes_folders import compare_cityscapes_folders
from panet_tf.ops.cityscapes_labels import THINGS
from tests.evaluation.cityscapes_evaluator_test import HEIGHT, WIDTH, batch, scene

NAMES = {7: "bonn_000000_000019", 3: "ulm_000012_000019"}


@pytest.fixture
def maps(tmp_path):
    """Maps by image id, also on disk as the annotations are."""
    rng, found = np.random.default_rng(5), {}
    for image_id, name in NAMES.items():
        found[image_id] = scene(rng)[0]
        path = tmp_path / "gtFine" / "val" / name.split("_")[0] / f"{name}_gtFine_instanceIds.png"
        path.parent.mkdir(parents=True)
        Image.fromarray(found[image_id].astype(np.uint16)).save(path)
    return found


@pytest.fixture
def written(tmp_path, maps):
    """A folder of results out of a batch whose boxes are those of regions, and the batch."""
    predictions = batch(np.random.default_rng(2), [7, -1, 3], (HEIGHT, WIDTH))
    for i, image_id in ((0, 7), (2, 3)):
        for slot, value in enumerate(v for v in np.unique(maps[image_id]) if v >= 24000 and v < 27000):
            place = np.argwhere(maps[image_id] == value)
            predictions["boxes"][i, slot] = [*place.min(0), *place.max(0) + 1]
            predictions["classes"][i, slot], predictions["masks"][i, slot] = value // 1000 - 23, 0.9
    results = CityscapesResults(tmp_path / "out", image_names=NAMES)
    results.update(predictions)
    assert results.result(seen_only=True) == {}
    return tmp_path / "out", predictions


def test_a_folder_scores_what_the_batch_does(tmp_path, maps, written):
    folder, predictions = written
    evaluator = CityscapesEvaluator(maps, min_region=4)
    evaluator.update(predictions)
    expected = evaluator.result(per_category=True)
    read = compare_cityscapes_folders(tmp_path / "gtFine" / "val", folder, min_region=4, progress=False)
    np.testing.assert_equal(read.result(per_category=True), expected)
    assert 0.1 < expected["cityscapes/AP50"] < 1


def test_the_format(written):
    folder, predictions = written
    (file, label, score), *others = read_cityscapes_results(folder / "bonn_000000_000019.txt", folder)
    shown = np.flatnonzero(predictions["classes"][0])
    assert label == THINGS[predictions["classes"][0, shown[0]] - 1]["id"]
    assert score == float(predictions["scores"][0, shown[0]])  # every digit
    assert file.parent == folder / "masks" and read_instance_mask(file).shape == (HEIGHT, WIDTH)
    line = (folder / "bonn_000000_000019.txt").read_text().splitlines()[0]
    assert line == f"masks/bonn_000000_000019_000.png {label} {score!r}"
    assert len(others) < len(shown) and not list(folder.rglob("*.partial"))


def test_masks_of_any_origin(tmp_path):
    mask = np.zeros((4, 6), bool)
    mask[1:3, 2:] = True
    results = CityscapesResults(tmp_path, image_names=NAMES)
    results.add(7, [mask, ~mask, mask & ~mask], [24, 33, 26], [1e-7, 1.0, 0.5])  # the last is empty
    results.add(3, [], [], [])
    found = read_cityscapes_results(tmp_path / "bonn_000000_000019.txt", tmp_path)
    assert [(label, score) for _, label, score in found] == [(24, 1e-7), (33, 1.0)]
    np.testing.assert_array_equal([read_instance_mask(path) for path, _, _ in found], [mask, ~mask])
    assert (tmp_path / "ulm_000012_000019.txt").read_text() == ""
    with pytest.raises(ValueError, match="image id 7 has come before"):
        results.add(7, [], [], [])
    results.reset()
    for wrong, message in (
        ((5, [], [], []), "image id 5 is not in image_names"),
        ((7, [mask], [7], [0.5]), "received 7, 0.5"),
        ((7, [mask], [26], [np.nan]), "received 26, nan"),
    ):
        with pytest.raises(ValueError, match=message):
            results.add(*wrong)
    predictions = batch(np.random.default_rng(0), [7], (4, 6))
    del predictions["original_sizes"]
    with pytest.raises(ValueError, match="need original_sizes"):
        results.update(predictions)
    with pytest.raises(ValueError, match="as the images of CityscapesFiles"):
        CityscapesResults.made_for(None, types.SimpleNamespace(source="nuclei", categories=THINGS), folder=tmp_path)


def test_reading_what_others_write(tmp_path):
    """Grey masks in a folder beside the lists, ids as decimals, a mask twice: its last line counts."""
    root = tmp_path / "results"
    for folder in ("lists", "pictures"):
        (root / folder).mkdir(parents=True)
    Image.fromarray(np.uint8([[0, 1], [255, 0]])).save(root / "pictures" / "a.png")
    file = root / "lists" / "bonn_000000_000019_pred.txt"
    file.write_text("../pictures/a.png 26.0 0.25\r\n../lists/../pictures/a.png 24 0.75\n")
    assert find_cityscapes_results(root, ["bonn_000000_000019"]) == {"bonn_000000_000019": file}
    ((path, label, score),) = read_cityscapes_results(file, root)
    assert (label, score) == (24, 0.75)
    np.testing.assert_array_equal(read_instance_mask(path), [[False, True], [True, False]])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.png 26", "a line is a mask's path"),
        ("a b.png 26 0.5", "a line is a mask's path"),
        ("a.png car 0.5", "a line is a mask's path"),
        ("a.png 34 0.5", "a line is a mask's path"),
        ("a.png 26 nan", "a line is a mask's path"),
        ("", "a line is a mask's path"),
        ("b.png 26 0.5", "a mask is a file in"),
        ("../outside.png 26 0.5", "a mask is a file in"),
        ("{root}/a.png 26 0.5", "a mask is a file in"),
    ],
)
def test_broken_lines(tmp_path, line, message):
    root = tmp_path / "out"
    root.mkdir()
    for path in (root / "a.png", tmp_path / "outside.png"):
        Image.new("L", (2, 2)).save(path)
    (root / "x.txt").write_text("a.png 26 0.5\n" + line.format(root=root) + "\n")
    with pytest.raises(ValueError, match=f"x.txt, line 2: {message}"):
        read_cityscapes_results(root / "x.txt", root)


def test_broken_folders(tmp_path, maps, written):
    folder, truth = written[0], tmp_path / "gtFine" / "val"

    def compare(**given):
        return compare_cityscapes_folders(**{"ground_truth": truth, "results": folder, "progress": False} | given)

    with pytest.raises(ValueError, match="there are none in"):
        compare(ground_truth=folder)
    with pytest.raises(ValueError, match="folder of the results must exist"):
        compare(results=tmp_path / "nowhere")
    mask = next(iter((folder / "masks").glob("ulm*.png")))
    Image.new("L", (3, 3), 255).save(mask)
    with pytest.raises(ValueError, match=r"a mask of it is \(3, 3\)"):
        compare()
    mask.write_bytes(b"no picture")
    with pytest.raises(ValueError, match=mask.name):
        compare()
    (folder / "ulm_000012_000019_more.txt").touch()
    with pytest.raises(ValueError, match="one file ulm_000012_000019.*received .*more.txt"):
        compare()
    for path in folder.glob("ulm*.txt"):
        path.unlink()
    with pytest.raises(ValueError, match=r"one file ulm_000012_000019\*.txt, received none"):
        compare()
