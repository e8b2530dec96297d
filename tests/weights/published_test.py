"""Names and digests of published files; downloads are served from a folder."""

import hashlib
import pathlib

import keras
import pytest

from panet_tf.weights import published


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A folder that acts as the server, and an empty cache."""
    folder, cache = tmp_path / "server", tmp_path / "cache"
    folder.mkdir()
    cache.mkdir()
    original = keras.utils.get_file

    def get_file(name, url, **kwargs):
        return original(name, url, cache_dir=str(cache), **kwargs)

    monkeypatch.setattr(keras.utils, "get_file", get_file)
    return folder


def _serve(folder, content=b"weights"):
    file = folder / f"net-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    file.write_bytes(content)
    return file


def test_a_file_that_matches_its_name_is_kept(server):
    file = _serve(server)
    assert published.download(file.as_uri()).read_bytes() == b"weights"
    file.unlink()
    assert published.download(file.as_uri()).read_bytes() == b"weights"  # from the cache


def test_a_broken_copy_in_the_cache_is_fetched_again(server):
    file = _serve(server)
    published.download(file.as_uri()).write_bytes(b"weig")
    assert published.download(file.as_uri()).read_bytes() == b"weights"


def test_a_file_that_does_not_match_is_refused_and_removed(server):
    file = _serve(server)
    file.write_bytes(b"other")
    with pytest.raises(ValueError, match="must have a SHA-256 that begins with .*received"):
        published.download(file.as_uri())
    assert not list(pathlib.Path(server.parent / "cache").rglob("*.pth"))


def test_a_name_without_a_digest_is_refused():
    with pytest.raises(ValueError, match="must end in its SHA-256"):
        published.download("https://example.com/resnet50.pth")


def test_a_digest_may_be_given_and_the_name_in_the_cache_chosen(server):
    file = server / "model_final.pkl"
    file.write_bytes(b"weights")
    md5 = hashlib.md5(b"weights").hexdigest()
    path = published.download(file.as_uri(), name="mask_rcnn_1x.pkl", md5=md5[:6])
    assert path.name == "mask_rcnn_1x.pkl" and path.read_bytes() == b"weights"
    with pytest.raises(ValueError, match="must have a MD5 that begins with 123456"):
        published.download(file.as_uri(), md5="123456")
    with pytest.raises(ValueError, match="must have a SHA-256 that begins with 123456"):
        published.download(file.as_uri(), sha256="123456")


@pytest.mark.parametrize("args", [("imagenet", "mobilenet_v2"), ("mobilenet_v2/imagenet",)])
def test_packaged_weights_are_found_by_name(args):
    assert published.locate(*args).is_file()


def test_a_path_comes_before_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "imagenet").write_bytes(b"")
    assert published.locate("imagenet", "resnet50") == pathlib.Path("imagenet")


def test_published_files_carry_their_digest(monkeypatch):
    urls = []
    monkeypatch.setattr(published, "download", lambda url: urls.append(url))
    for depth in (18, 34, 50, 101, 152):
        published.locate("imagenet", f"resnet{depth}")
    assert urls[2] == "https://download.pytorch.org/models/resnet50-0676ba61.pth" and len(urls) == 5
    published.locate("imagenet", "resnext101_32x8d")  # as `panet_tf.backbones.resnext` asks for it
    assert urls[5] == "https://download.pytorch.org/models/resnext101_32x8d-8ba56ff5.pth"


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(ValueError, match=r"received 'imagnet'. Nearest names: \['resnet50/imagenet'"):
        published.locate("imagnet", "resnet50")
