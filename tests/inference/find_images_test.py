"""Image files out of paths and folders."""

import pytest

from panet_tf.inference.find_images import find_images


def test_folders_are_searched_in_order_and_files_taken_as_they_are(tmp_path):
    for name in ("b.PNG", "a.jpg", "sub/c.tif", "notes.txt", ".hidden/d.png", ".e.png", "scan"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [str(path.relative_to(tmp_path)) for path in find_images(tmp_path)]
    assert found == ["a.jpg", "b.PNG", "sub/c.tif"]
    both = find_images([str(tmp_path / "scan"), tmp_path / "b.PNG", tmp_path])
    assert [path.name for path in both] == ["scan", "b.PNG", "a.jpg", "c.tif"]


def test_errors(tmp_path):
    with pytest.raises(ValueError, match="holds no images"):
        find_images(tmp_path)
    with pytest.raises(ValueError, match="must exist, received .*photo.jpg"):
        find_images(tmp_path / "photo.jpg")
    with pytest.raises(ValueError, match="received none"):
        find_images([])
