"""COCO's panoptic format from files to batches: against slow twins, and on everything that may be wrong with it."""

import copy
import json
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow_datasets as tfds
from pycocotools import mask as mask_utils

from panet_tf.data.coco_panoptic_files import CocoPanopticFiles
from panet_tf.data.detection_data import DetectionData
from panet_tf.data.mask_grids import sample_mask
from panet_tf.data.panoptic_images import PanopticConfig
from panet_tf.data.panoptic_source import PanopticSource
from panet_tf.ops.semantic_classes import semantic_classes
from tests import tiny_coco, tiny_panoptic
from tests.listed_source import tight_box
from tests.tiny_panoptic import CATEGORIES, GROUND, ground, random_map, segment, write_coco


def files_of(folder, **arguments):
    return CocoPanopticFiles(
        annotations=folder / "panoptic.json", panoptic=folder / "panoptic", images=folder / "images", **arguments
    )


def source_of(folder, instances=None, **arguments):
    settings = {"cache": folder / "cache", "progress": False, **arguments}
    return PanopticSource(files=files_of(folder, instances=instances), **settings)


def raw_by_id(source):
    return {int(raw["image_id"]): raw for raw in source.samples().as_numpy_iterator()}


def rules(source):
    return {rule: count for (_, rule), count in source.report.counts.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Five images of rectangles, some hidden, with crowds, void, gaps in the ids, and one of more than 255 segments."""
    path = tmp_path_factory.mktemp("panoptic")
    maps, segments = zip(*(random_map(seed) for seed in range(4)))
    many = ground()
    many[:, :20] = np.arange(600).reshape(30, 20) + 1000
    write_coco(path, [*maps, many], [*segments, [segment(1000 + i, 27) for i in range(600)] + list(GROUND)])
    return path


def test_samples_and_ground_truth_are_what_the_files_say(folder):
    source = source_of(folder)
    assert list(source.panoptic_categories) == CATEGORIES
    assert [category["id"] for category in source.categories] == [1, 27]
    content = json.loads((folder / "panoptic.json").read_text())
    truth, samples = source.panoptic_ground_truth(), raw_by_id(source)
    assert sorted(truth.image_ids) == sorted(samples) == [1, 2, 3, 4, 5] and not source.report.problems
    for annotation in content["annotations"]:
        identity = annotation["image_id"]
        ids, segments = truth.ground_truth(identity)
        written = random_map(identity - 1)[0] if identity < 5 else None
        if written is not None:
            np.testing.assert_array_equal(ids, written)
        assert ids.dtype == np.int32
        given = {info["id"]: info for info in annotation["segments_info"]}
        assert {info["id"] for info in segments} == set(np.unique(ids).tolist()) - {0}
        raw = samples[identity]
        assert [info["id"] for info in segments] == raw["segments"]["id"].tolist()
        for number, info in enumerate(segments, start=1):
            shown = ids == info["id"]
            np.testing.assert_array_equal(raw["panoptic"][..., 0] == number, shown)
            top, left, bottom, right = tight_box(shown).tolist()
            assert info["area"] == shown.sum() and info["bbox"] == [left, top, right - left, bottom - top]
            assert info["category_id"] == given[info["id"]]["category_id"]
            assert info["iscrowd"] == given[info["id"]]["iscrowd"]
        objects = raw["objects"]
        # Things come first, in the order of the file.
        assert objects["segment"].tolist() == list(range(1, len(objects["segment"]) + 1))
        for number, box, label, crowd, area, grid, counts in zip(
            *(objects[key] for key in ("segment", "box", "class", "is_crowd", "area", "mask", "segmentation"))
        ):
            info, shown = segments[number - 1], raw["panoptic"][..., 0] == number
            np.testing.assert_array_equal(box, tight_box(shown))
            assert source.categories[label - 1]["id"] == info["category_id"] and crowd == info["iscrowd"]
            np.testing.assert_array_equal(np.unpackbits(grid, axis=-1), sample_mask(shown, box))
            np.testing.assert_array_equal(mask_utils.decode({"size": list(shown.shape), "counts": counts}), shown)
            assert area == shown.sum()
    assert samples[5]["panoptic"].max() == 602


def test_batches_hold_the_targets(folder):
    source = source_of(folder)
    samples = raw_by_id(source)
    data = DetectionData(
        source=source, batch_size=5, canvases=((32, 64),), short_side=None, semantic_context="stuff_plus_thing"
    )
    labels = semantic_classes(CATEGORIES, "stuff_plus_thing").of_category
    batch = next(iter(data.dataset().as_numpy_iterator()))
    for row, identity in enumerate(batch["image_ids"].tolist()):
        raw, semantic, panoptic = samples[identity], batch["semantic"][row], batch["panoptic"][row]
        numbers = raw["panoptic"][2::4, 2::4, 0]
        table = np.concatenate([[0], raw["segments"]["category"]])
        np.testing.assert_array_equal(semantic[:7, :10], labels[table[numbers]])
        assert (semantic[7:] == 255).all() and (semantic[:, 10:] == 255).all()
        things = len(raw["objects"]["id"])
        if things <= 100:
            np.testing.assert_array_equal(panoptic[:7, :10], np.where(numbers <= things, numbers, 0))
        else:  # a random 100 of them have slots
            assert 0 < len(set(panoptic.ravel().tolist()) - {0}) <= 100 < things


def test_ids_of_instances_are_unique_and_the_same_as_coco_ground_truth(folder):
    truth = source_of(folder).coco_ground_truth()
    ids = [annotation["id"] for annotation in truth["annotations"]]
    assert len(set(ids)) == len(ids) > 600
    assert [category["id"] for category in truth["categories"]] == [1, 27]
    assert sum(annotation["iscrowd"] for annotation in truth["annotations"]) > 0


def test_a_part_and_a_choice_of_categories(folder):
    assert source_of(folder, part="[:3]").num_examples == 3
    chosen = source_of(folder, categories=("tie", "sky"))
    assert [category["name"] for category in chosen.panoptic_categories] == ["tie", "sky"]
    whole = raw_by_id(source_of(folder))
    for identity, raw in raw_by_id(chosen).items():
        kept = np.isin(whole[identity]["segments"]["category"], (4, 3))
        assert len(raw["segments"]["id"]) == kept.sum()
        shown = np.isin(whole[identity]["panoptic"], np.flatnonzero(kept) + 1)
        np.testing.assert_array_equal(raw["panoptic"] > 0, shown)
    assert not chosen.report.problems
    with pytest.raises(ValueError, match="Did you mean 'sky'"):
        source_of(folder, categories=("skye",)).sample(0)


def test_it_is_a_tfds_data_set_and_is_prepared_once(folder, tmp_path):
    config = PanopticConfig(name="tiny", splits={"val": files_of(folder)})
    example = next(
        iter(tfds.load("panoptic_images", data_dir=tmp_path, builder_kwargs={"config": config}, split="val"))
    )
    assert example["panoptic"].dtype == np.uint16 and set(example["segments"]) == {
        "id", "category", "is_crowd", "area", "box"
    }  # fmt: skip
    first, second = source_of(folder), source_of(folder)
    assert first.builder.data_dir == second.builder.data_dir
    assert source_of(folder, keep_empty=False).builder.data_dir != first.builder.data_dir


def test_everything_wrong_is_skipped_reported_and_counted(tmp_path):
    good = [ground() for _ in range(7)]
    good[0][0:4, 0:4] = 5  # an id that no segment has
    segments = [copy.deepcopy(list(GROUND)) for _ in good]
    segments[0] += [
        segment(6, 1),  # no pixel
        segment(300, 1),  # a used id
        segment(7, 999),
        segment("x", 1),
        segment(2**24, 1),
        segment(8, 1, iscrowd=3),
    ]
    segments[1][0]["area"] = 7
    write_coco(tmp_path, good, segments)
    (tmp_path / "panoptic" / "3.png").unlink()
    (tmp_path / "panoptic" / "4.png").write_bytes(b"no image")
    shutil.copy(tmp_path / "panoptic" / "1.png", tmp_path / "panoptic" / "5.png")
    content = json.loads((tmp_path / "panoptic.json").read_text())
    content["images"][4].update(width=41)
    (tmp_path / "images" / "5.png").unlink()
    tiny_coco.draw_image(content["images"][4]).save(tmp_path / "images" / "5.png")
    (tmp_path / "images" / "6.png").unlink()
    content["annotations"].append(content["annotations"][1])
    content["annotations"].append({"image_id": 77, "segments_info": []})
    del content["annotations"][6]["segments_info"]
    (tmp_path / "panoptic.json").write_text(json.dumps(content))
    source = source_of(tmp_path)
    assert sorted(source.image_ids) == [1, 2]
    assert rules(source) == {
        "annotation map is missing": 1,
        "annotation map is broken or no image": 1,
        "size (width x height) differs between panoptic map and image": 1,
        "image file is missing": 1,
        "second panoptic annotation of an image": 1,
        "unknown image_id": 1,
        "panoptic annotation without a list segments_info": 1,
        "image without a panoptic annotation": 1,
        "segment has no pixel": 1,
        "segment id is used twice in an image, the first counts": 1,
        "unknown category_id": 1,
        "segment without a usable id": 2,
        "iscrowd is not 0 or 1": 1,
        "the map has ids that no segment has, taken as void": 1,
        "area differs from the map's, the map's is used": 1,
    }
    assert "3.png, image 3" in source.report.summary(5)
    raw = raw_by_id(source)[1]
    assert not raw["panoptic"][0:4, 0:4].any() and len(raw["segments"]["id"]) == 2


def test_what_is_unusable_is_refused(tmp_path):
    write_coco(tmp_path, [ground()], [list(GROUND)])
    with pytest.raises(ValueError, match="panoptic must be a folder"):
        CocoPanopticFiles(annotations=tmp_path / "panoptic.json", panoptic="nowhere", images=tmp_path / "images")
    with pytest.raises(ValueError, match="there is none at"):
        CocoPanopticFiles(annotations="no.json", panoptic=tmp_path / "panoptic", images=tmp_path / "images")
    without = [{key: value for key, value in category.items() if key != "isthing"} for category in CATEGORIES]
    write_coco(tmp_path, [ground()], [list(GROUND)], categories=without)
    with pytest.raises(ValueError, match="isthing"):
        source_of(tmp_path).sample(0)
    write_coco(tmp_path, [ground()], [list(GROUND)])
    (tmp_path / "panoptic" / "1.png").unlink()
    with pytest.raises(ValueError, match="none of the 1 of .* can be used"):
        source_of(tmp_path).sample(0)


def test_instances_of_another_file_overlap_and_find_their_segments(tmp_path):
    """A tie on a person: the person's instance goes on below it, the person's segment does not."""
    ids = ground()
    ids[4:26, 4:24], ids[8:20, 10:14] = 11, 12
    ids[10:18, 30:36] = 13  # a person that the other file does not know
    infos = [segment(11, 1), segment(12, 27), segment(13, 1), *GROUND]
    write_coco(tmp_path, [ids], [infos])

    def instance(identity, category, x, y, w, h):
        corners = [[x, y, x + w, y, x + w, y + h, x, y + h]]
        return tiny_coco.annotation(identity, category_id=category, bbox=[x, y, w, h], segmentation=corners, area=w * h)

    annotations = [instance(501, 27, 10, 8, 4, 12), instance(502, 1, 4, 4, 20, 22), instance(503, 1, 0, 0, 3, 3)]
    things = [category for category in CATEGORIES if category["isthing"]]
    tiny_coco.write(tmp_path, [tiny_coco.image_entry(1)], annotations, categories=things, draw=False)
    source = source_of(tmp_path, instances=tmp_path / "all.json")
    raw = source.sample(0)
    assert raw["objects"]["id"].numpy().tolist() == [501, 502, 503]
    names = [source.categories[label - 1]["name"] for label in raw["objects"]["class"].numpy()]
    assert names == ["tie", "person", "person"]
    numbers = raw["objects"]["segment"].numpy()
    assert raw["segments"]["id"].numpy()[numbers[:2] - 1].tolist() == [12, 11] and numbers[2] == 0
    areas = [int(mask_utils.area({"size": [30, 40], "counts": c})) for c in raw["objects"]["segmentation"].numpy()]
    assert areas == [48, 440, 9]  # the person's whole, 48 pixels of it below the tie
    assert rules(source)["segments of things that no instance of the other file shows"] == 1
    data = DetectionData(source=source, batch_size=1, canvases=((32, 64),), short_side=None, semantic_context="all")
    panoptic = next(iter(data.dataset()))["panoptic"][0].numpy()
    expected = np.zeros((32, 64), int)
    expected[4:26, 4:24], expected[8:20, 10:14] = 2, 1
    np.testing.assert_array_equal(panoptic, expected[2::4, 2::4])


def test_coco_files_of_the_golden_set_are_read_as_they_are():
    """Random pairs by panopticapi: areas, boxes and categories of every segment as its JSON has them."""
    golden = pathlib.Path(tiny_panoptic.__file__).parent / "golden" / "panoptic"
    content = json.loads((golden / "gt.json").read_text())
    files = CocoPanopticFiles(annotations=golden / "gt.json", panoptic=golden / "gt", images=golden / "gt")
    _, places = files.choose(None)
    assert len(places) == 6
    for image in files.images:
        ids, infos = files.segments(image, image["height"], image["width"])
        assert set(np.unique(ids).tolist()) - {0} == {info["id"] for info in infos}
    assert len(files.images) == len(content["images"])
