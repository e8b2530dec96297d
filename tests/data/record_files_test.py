import pytest
import tensorflow as tf

from panet_tf.data.record_files import find_records, read_record


@pytest.fixture
def files(tmp_path):
    """Two files of records with sizes from 0 to 20 kB."""
    paths = [str(tmp_path / name) for name in ("a", "b")]
    for k, path in enumerate(paths):
        with tf.io.TFRecordWriter(path) as writer:
            for i in range(5):
                writer.write(bytes([k * 5 + i]) * (i * 5000))
    return paths


def test_records_are_read_at_any_place_eagerly_and_in_a_data_set(files):
    expected = [r.numpy() for r in tf.data.TFRecordDataset(files)]
    found = find_records(files)
    places = [tf.constant([files[i] for i in found["shard"]]), found["offset"], found["length"]]
    for i in (7, 0, 9):
        assert read_record(places[0][i], tf.constant(places[1][i]), tf.constant(places[2][i])).numpy() == expected[i]
    backwards = tf.data.Dataset.from_tensor_slices(tuple(places[k][::-1] for k in range(3))).map(read_record)
    assert [r.numpy() for r in backwards] == expected[::-1]


def test_a_cut_file_is_named(files):
    with open(files[1], "r+b") as file:
        file.truncate(12000)
    with pytest.raises(ValueError, match="cut off: .*b$"):
        find_records(files)
