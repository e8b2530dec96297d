"""The code of the notebook, run once at a size that takes seconds; and the README's example, which is part of it."""

import ast
import json
import pathlib

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[1]
NOTEBOOK = ROOT / "notebooks" / "panet_on_your_images.ipynb"
SMALL = {
    "STEPS = 360": "STEPS = 1",
    "SIDE = 512": "SIDE = 64",
    "filters=64": "filters=16",
    "post_nms_top_k=400": "post_nms_top_k=40",
    "max_detections=200": "max_detections=20",
}


def code_cells(notebook):
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


@pytest.fixture(scope="module")
def notebook():
    return json.loads(NOTEBOOK.read_text(encoding="utf-8"))


def test_it_is_a_notebook_without_outputs(notebook):
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    for cell in notebook["cells"]:
        assert cell["cell_type"] in ("markdown", "code") and all(isinstance(line, str) for line in cell["source"])
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None


def test_its_cells_run(notebook, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    names = {}
    code = "\n".join(code_cells(notebook))
    for full, small in SMALL.items():
        assert code.count(full) == 1
        code = code.replace(full, small)
    exec(compile(code, str(NOTEBOOK), "exec"), names)
    losses = {"loss", "rpn_objectness_loss", "rpn_box_loss", "class_loss", "box_loss", "mask_loss"}
    history = names["history"].history
    assert set(history) == losses and all(np.isfinite(values).all() for values in history.values())
    assert {"segm/AP", "segm/AP50", "bbox/AP"} <= set(names["metrics"])
    assert names["found"]["size"] == (256, 256) and names["found"]["masks"].shape[1:] == (256, 256)
    kept = names["again"].model
    for ours, theirs in zip(names["model"].get_weights(), kept.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_readmes_example_is_the_notebooks(notebook):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    example = readme.split("## In a notebook", 1)[1].split("```python\n", 1)[1].split("```", 1)[0]
    written = ["".join(ast.unparse(node)) for cell in code_cells(notebook) for node in ast.parse(cell).body]
    lines = [ast.unparse(node) for node in ast.parse(example).body]
    assert len(lines) > 10 and [line for line in lines if line not in written] == []
