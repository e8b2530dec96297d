"""TFDS's own panoptic data set: its own builder's code run over a tiny tree, so that the features are truly its."""

import json

import pytest
import tensorflow_datasets as tfds
from tensorflow_datasets.object_detection import coco

from panet_tf.data.panoptic_source import PanopticSource
from panet_tf.data.tfds_panoptic_files import TfdsPanopticFiles
from tests.tiny_panoptic import CATEGORIES, random_map, write_coco

# TFDS wants 133 classes.
LIST = [*CATEGORIES, *({"id": 300 + i, "name": f"unused {i}", "isthing": i % 2} for i in range(129))]


class TinyPanoptic(coco.Coco):
    """`coco/2017_panoptic` whose files are a tiny tree's."""

    VERSION = tfds.core.Version("1.1.0")
    BUILDER_CONFIGS = [config for config in coco.Coco.BUILDER_CONFIGS if config.name == "2017_panoptic"]
    tree = None

    def _split_generators(self, dl_manager):
        arguments = {
            "image_dir": self.tree,
            "annotation_dir": self.tree,
            "split_name": "val2017",
            "annotation_type": coco.AnnotationType.PANOPTIC,
            "panoptic_dir": self.tree / "panoptic",
        }
        return [tfds.core.SplitGenerator(name="validation", gen_kwargs=arguments)]


@pytest.fixture(scope="module")
def builder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tfds")
    maps, segments = zip(*(random_map(seed) for seed in range(3)))
    for ids, infos in zip(maps, segments):
        for info in infos:
            info |= {"area": int((ids == info["id"]).sum()), "bbox": [0, 0, 4, 4]}
    write_coco(folder, maps, segments, categories=LIST)
    (folder / "images").rename(folder / "val2017")
    (folder / "annotations").mkdir()
    (folder / "panoptic.json").rename(folder / "annotations" / "panoptic_val2017.json")
    TinyPanoptic.tree = folder
    builder = TinyPanoptic(data_dir=str(folder / "data"), config="2017_panoptic")
    builder.download_and_prepare()
    return builder


def test_tfds_gives_what_the_files_give(builder, tmp_path):
    (tmp_path / "list.json").write_text(json.dumps(LIST))
    files = TfdsPanopticFiles(split="validation", categories=tmp_path / "list.json", builder=builder)
    source = PanopticSource(files=files, cache=tmp_path, progress=False)
    assert list(source.panoptic_categories) == LIST and len(source.categories) == 66
    assert sorted(source.image_ids) == [1, 2, 3] and not source.report.problems
    truth = source.panoptic_ground_truth()
    for seed in range(3):
        ids, segments = random_map(seed)
        found, infos = truth.ground_truth(seed + 1)
        assert (found == ids).all()
        key = {info["id"]: (info["category_id"], info["iscrowd"]) for info in infos}
        assert key == {info["id"]: (info["category_id"], info["iscrowd"]) for info in segments}
    raw = source.sample(0)
    assert raw["file_name"].numpy().decode() == f"{int(raw['image_id'])}.png"


def test_what_does_not_fit_is_refused(builder, tmp_path):
    with pytest.raises(ValueError, match="split must be one of"):
        TfdsPanopticFiles(split="train", categories=LIST, builder=builder)
    with pytest.raises(ValueError, match="received none for"):
        TfdsPanopticFiles(split="validation", categories=LIST[1:], builder=builder)
    with pytest.raises(ValueError, match="split must be one of"):  # a data set that nobody has downloaded
        TfdsPanopticFiles(split="train", categories=LIST, data_dir=tmp_path)
    with pytest.raises(ValueError, match="lacks"):
        TfdsPanopticFiles(split="train", categories=LIST, builder="mnist", data_dir=tmp_path)
