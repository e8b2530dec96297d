import os

import pytest

from panet_tf.data.preparation import fingerprint
from panet_tf.data.source_report import source_from_files


def test_a_fingerprint_changes_with_all_that_a_data_set_depends_on(tmp_path):
    (tmp_path / "images" / "inner").mkdir(parents=True)
    image, listed = tmp_path / "images" / "inner" / "a.png", tmp_path / "annotations.json"
    image.write_bytes(b"pixels")
    listed.write_text("{}")

    def digest(keep_empty=True):
        return fingerprint(files=[listed], folders=[tmp_path / "images"], settings=[None, keep_empty])

    first = digest()
    assert digest() == first != digest(keep_empty=False)
    os.utime(listed)  # its content counts, not its time
    assert digest() == first
    found = {first}
    listed.write_text("[]")
    found.add(digest())
    os.utime(image, ns=(0, 0))  # of images the time counts, as reading them all would take long
    found.add(digest())
    image.rename(image.with_name("b.png"))
    found.add(digest())
    (tmp_path / "images" / "c.png").write_bytes(b"")
    found.add(digest())
    assert len(found) == 5


@pytest.mark.parametrize(
    "given",
    [{}, {"annotations": "a.json"}, {"cityscapes": "folder"}, {"annotations": "a", "images": "b", "split": "c"}],
)
def test_files_that_do_not_belong_together_are_refused(given):
    with pytest.raises(ValueError, match=f"received {' [+] '.join(sorted(given))}[.]"):
        source_from_files(**given)
