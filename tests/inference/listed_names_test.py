import pathlib

import pytest

from panet_tf.inference.listed_names import ListedNames


@pytest.mark.parametrize(
    "path, name",
    [
        ("1.jpg", "1.jpg"),
        ("/data/photos/1.jpg", "1.jpg"),
        ("/data/a/1.jpg", "a/1.jpg"),  # the longest
        ("/data/./b/../a/1.jpg", "a/1.jpg"),
        ("/data/b/2.jpg", "./b//2.jpg"),  # as it is listed
        ("/data/c/2.jpg", None),  # of another folder
        ("/data/bb/2.jpg", None),  # folders are whole
        ("/data/11.jpg", None),
        ("../3.jpg", "../3.jpg"),
        (None, None),
    ],
)
def test_a_file_is_the_longest_name_at_the_end_of_its_path(path, name):
    names = ListedNames(["1.jpg", "a/1.jpg", "./b//2.jpg", "../3.jpg"])
    assert names.find(path) == name
    assert names.find(path and pathlib.Path(path)) == name


def test_names_may_hold_folders_of_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    assert ListedNames(["1.jpg", "a/1.jpg"]).find("1.jpg") == "a/1.jpg"
