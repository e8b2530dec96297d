"""The table of published detectors, and reading one from a small file of its kind."""

import pathlib
import sys

import numpy as np
import pytest

from panet_tf.models.coco_categories import KINDS
from panet_tf.models.presets import from_preset, presets, presets_page
from panet_tf.weights.sources import NAMES
from tests.models.from_checkpoint_test import SMALL, arrays_of
from tests.torchvision_shapes import torchvision_shapes

DOCS = pathlib.Path(__file__).parents[2] / "docs" / "presets.md"
MASK_RCNN = "maskrcnn_resnet50_fpn_coco_torchvision"


@pytest.mark.parametrize("name", presets())
def test_every_preset_says_what_it_is(name):
    preset = presets()[name]
    assert preset["source"] in NAMES and name.endswith(f"_{preset['source']}")
    assert preset["categories"] in KINDS and preset["license"]
    assert preset["ap"] and all(20 < value < 70 for value in preset["ap"].values())
    assert ("mask" in preset["ap"]) == any(kind in name for kind in ("maskrcnn", "panoptic", "panet_resnet"))
    assert ("keypoint" in preset["ap"]) == ("keypoint" in name) == (preset["categories"] == "coco_person")
    digest = preset.get("sha256") or preset.get("md5")
    if "url" in preset:
        file = preset["url"].rpartition("/")[2]
        assert digest in file and preset["url"].startswith("https://")  # each publisher puts the digest into the name
    else:
        assert digest is None and preset["page"] and preset["note"]


def test_files_and_names_are_each_others_only():
    urls = [preset.get("url") or preset["page"] for preset in presets().values()]
    assert len(set(urls)) == len(urls)
    presets()[MASK_RCNN]["ap"].clear()
    assert presets()[MASK_RCNN]["ap"] == {"box": 37.9, "mask": 34.6}


def test_the_page_is_the_table():
    assert DOCS.read_text() == presets_page()
    assert all(f"| `{name}` |" in presets_page() for name in presets())


def test_a_copy_is_read(tmp_path, capsys):
    np.savez(tmp_path / "copy.npz", **arrays_of(torchvision_shapes(91, **SMALL)))
    model = from_preset(MASK_RCNN, path=tmp_path / "copy.npz")
    assert len(model.categories) == 90 and model.categories[89]["name"] == "toothbrush"
    assert "Skipped" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "name, file, digest",
    [
        (MASK_RCNN, "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth", {"sha256": "bf2d0c1e", "md5": None}),
        (
            "maskrcnn_resnet50_fpn_3x_coco_detectron2",
            "maskrcnn_resnet50_fpn_3x_coco_detectron2_model_final_f10217.pkl",
            {"sha256": None, "md5": "f10217"},
        ),
    ],
)
def test_files_are_downloaded_under_names_of_their_own(name, file, digest, monkeypatch):
    asked, module = {}, sys.modules["panet_tf.models.presets"]
    monkeypatch.setattr(module, "download", lambda url, **kwargs: asked.update(url=url, **kwargs) or "downloaded")
    monkeypatch.setattr(module, "from_checkpoint", lambda path, **kwargs: (path, kwargs["source"]))
    assert from_preset(name) == ("downloaded", presets()[name]["source"])
    assert asked == {"url": presets()[name]["url"], "name": file, **digest}


def test_what_no_program_can_download_says_where_it_is():
    with pytest.raises(ValueError, match="must be given by path.*https://drive.google.com"):
        from_preset("panet_resnet50_fpn_2x_coco_panet")


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(ValueError, match=f"none of the .* presets.*Nearest names: .*{MASK_RCNN}"):
        from_preset("maskrcnn_resnet50_coco")
