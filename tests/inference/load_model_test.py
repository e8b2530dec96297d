"""Models from files and from folders of runs."""

import keras
import pytest

from panet_tf.inference.load_model import load_model


def test_a_file_and_the_folder_that_holds_it(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.save(tmp_path / "model.keras")
    for path in (tmp_path, str(tmp_path / "model.keras")):
        assert load_model(path).count_params() == 8


def test_a_missing_model_is_answered_with_what_is_there(tmp_path):
    with pytest.raises(ValueError, match="when it ends"):
        load_model(tmp_path)
    (tmp_path / "best.keras").touch()
    with pytest.raises(ValueError, match="no model at .*model.keras. There are .*best.keras"):
        load_model(tmp_path)
    with pytest.raises(ValueError, match="no model at .*bst.keras. There are .*best.keras"):
        load_model(tmp_path / "bst.keras")
