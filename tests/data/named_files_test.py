import pathlib

import pytest

from panet_tf.data.named_files import named_files


def test_names_and_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in ("one/val.json", "two/val.json", "runs/lr=0.1/p.json", "mine=p.json"):
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(path).write_text("[]")
    given = ["one/val.json", "mine=runs/lr=0.1/p.json", "runs/lr=0.1/p.json", "mine=p.json", "b=two/val.json"]
    found = {name: str(path) for name, path in named_files(given).items()}
    assert found == {
        "val": "one/val.json",
        "mine": "runs/lr=0.1/p.json",
        "p": "runs/lr=0.1/p.json",
        "mine=p": "mine=p.json",
        "b": "two/val.json",
    }
    assert list(named_files(["=one/val.json"])) == ["val"]
    with pytest.raises(ValueError, match="names of files must differ, received 'val' for one/val.json and for two"):
        named_files(["one/val.json", "two/val.json"])
    with pytest.raises(ValueError, match="names of files must differ"):
        named_files(["=one/val.json", "two/val.json"])
    with pytest.raises(ValueError, match="no file at nowhere.json"):
        named_files(["a=nowhere.json"])
