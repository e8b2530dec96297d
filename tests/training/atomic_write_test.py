import os
import subprocess
import sys

import pytest

from panet_tf.training.atomic_write import remove_partial_files, write_atomically


@pytest.mark.parametrize("content", ["text", b"text", lambda path: path.write_text("text")])
def test_a_file_is_whole_and_leaves_nothing_beside_it(content, tmp_path):
    write_atomically(tmp_path / "new" / "file.txt", content)
    assert (tmp_path / "new" / "file.txt").read_text() == "text"
    assert len(list((tmp_path / "new").iterdir())) == 1


def test_a_death_while_writing_leaves_the_old_content_and_a_partial_file(tmp_path):
    (tmp_path / "file.keras").write_text("old")

    def die(path):
        assert path.suffix == ".keras"
        path.write_text("ne")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "file.keras", die)
    assert (tmp_path / "file.keras").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 2
    remove_partial_files(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file.keras"]
    remove_partial_files(tmp_path / "no such folder")


def test_what_another_process_is_writing_stays(tmp_path):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        names = [f".partial-{number}-file" for number in (other.pid, os.getpid(), 2**40)] + [".partial-file"]
        for name in names:
            (tmp_path / name).touch()
        remove_partial_files(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == names[:1]
        other.kill()
    remove_partial_files(tmp_path)
    assert not list(tmp_path.iterdir())
