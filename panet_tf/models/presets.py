"""Detectors that others published, by name."""

import difflib
import functools
import json
import pathlib

import gin

from panet_tf.models.coco_categories import coco_categories
from panet_tf.models.from_checkpoint import from_checkpoint
from panet_tf.weights.published import download

_UNITS = {"box": "box AP", "mask": "mask AP", "keypoint": "keypoint AP", "pq": "PQ"}
_CATEGORIES = {
    "coco_80": "COCO's 80 categories",
    "coco_90": "COCO's ids 1 to 90, ten of them unused",
    "coco_person": "person, with 17 keypoints",
    "coco_panoptic": "COCO's 80 things and 53 kinds of stuff",
}
_INTRODUCTION = """# Presets

Detectors that others trained and published, by the names that `panet_tf.from_preset` takes:

```python
model = panet_tf.from_preset("maskrcnn_resnet50_fpn_coco_torchvision")
model = panet_tf.from_preset("maskrcnn_resnet50_fpn_3x_coco_detectron2", path="model_final_f10217.pkl")
```

The first line downloads the file into Keras's cache and checks it against the digits of its digest that its publisher
gives; the second reads a copy. Nothing in a file is run. The model behaves as its source does: anchors, pooling, box
decoding, mask pasting, the preprocessing that it carries.

AP and PQ are those that the source publishes, on COCO val2017; none of them was measured here. Digests: torchvision and
mmdetection put the first digits of the SHA-256 into the file's name, detectron2 those of the MD5; the PANet authors
give none. Licences: detectron2 states one for its models; for the others it is that of the project they come with, and
torchvision points out that data sets may add terms. Mask R-CNN of detectron2 with ResNeXt exists with the 3x schedule
alone, Cascade R-CNN with ResNet-50 alone.

This page is what `presets_page()` of `panet_tf/models/presets.py` gives.
"""


@functools.cache
def _table():
    return json.loads(pathlib.Path(__file__).with_name("data").joinpath("presets.json").read_text())


def presets():
    """Detectors that `from_preset` knows.

    Returns:
        dict from names to dicts: `source`, `url` (or `page`, where a browser is needed), `sha256` or `md5` (the first
        digits, where any are published), `categories`, `ap` (what the source publishes for COCO val2017, in percent),
        `license`, and a `note` where there is something to know.

    Example:
        >>> presets()["maskrcnn_resnet50_fpn_coco_torchvision"]["ap"]
        {'box': 37.9, 'mask': 34.6}
    """
    return json.loads(json.dumps(_table()))  # a copy through and through


@gin.register(module="panet_tf")
def from_preset(name, *, path=None, categories=None, **kwargs):
    """A published detector, built and with its weights.

    Args:
        name: str, one of `presets()`.
        path: optional file, a copy of what the preset names. Defaults to `None`: it is downloaded into Keras's cache.
        categories: sequence of dicts with `"id"` and `"name"` for a detector of other classes, whose predictors keep
            fresh values where the numbers differ. Defaults to the preset's.
        **kwargs: of `from_checkpoint`.

    Returns:
        Built model.

    Raises:
        ValueError: for an unknown name, or a preset that cannot be downloaded by a program.

    Example:
        >>> model = from_preset("maskrcnn_resnet50_fpn_coco_torchvision")
        >>> model = from_preset("panet_resnet50_fpn_2x_coco_panet", path="panet_mask_step179999.pth")
    """
    if name not in _table():
        near = difflib.get_close_matches(str(name), _table(), n=3, cutoff=0.4)
        hint = f" Nearest names: {near}." if near else ""
        raise ValueError(f"{name!r} is none of the {len(_table())} presets, which panet_tf.presets() lists.{hint}")
    preset = _table()[name]
    if path is None:
        path = _fetch(name, preset)
    categories = categories or coco_categories(preset["categories"])
    return from_checkpoint(path, source=preset["source"], categories=categories, **kwargs)


def _fetch(name, preset):
    if "url" not in preset:
        raise ValueError(f"{name} must be given by path: {preset['note']} Its page: {preset['page']}.")
    file_name = preset["url"].rpartition("/")[2]
    if preset["source"] == "detectron2":  # whose files are all called model_final
        file_name = f"{name}_{file_name}"
    return download(preset["url"], name=file_name, sha256=preset.get("sha256"), md5=preset.get("md5"))


def presets_page():
    """The page docs/presets.md: every preset with its numbers, file, digest and licence.

    Returns:
        str, Markdown.
    """
    lines = [_INTRODUCTION]
    for source in dict.fromkeys(preset["source"] for preset in _table().values()):
        rows = {name: preset for name, preset in _table().items() if preset["source"] == source}
        lines += [
            f"## {source}",
            "",
            "| name | published | classes | file | digest | licence |",
            "|---|---|---|---|---|---|",
        ]
        for name, preset in rows.items():
            numbers = ", ".join(f"{_UNITS[kind]} {value:.1f}" for kind, value in preset["ap"].items())
            url = preset.get("url") or preset["page"]
            file = f"[{url.rpartition('/')[2] if 'url' in preset else 'page'}]({url})"
            digest = next((f"{kind} {preset[kind]}…" for kind in ("sha256", "md5") if kind in preset), "none published")
            classes = _CATEGORIES[preset["categories"]]
            lines.append(f"| `{name}` | {numbers} | {classes} | {file} | {digest} | {preset['license']} |")
        notes = dict.fromkeys(preset["note"] for preset in rows.values() if "note" in preset)
        lines += ["", *(f"{note}\n" for note in notes)]
    return "\n".join(lines).rstrip("\n") + "\n"
