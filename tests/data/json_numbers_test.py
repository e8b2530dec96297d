import pytest

from panet_tf.data.json_numbers import number, whole


@pytest.mark.parametrize(
    ("value", "as_number", "as_whole"),
    [
        (3, 3.0, 3),
        ("3", 3.0, 3),
        (" -7 ", -7.0, -7),
        (2.5, 2.5, None),
        ("2.5", 2.5, None),
        (4.0, 4.0, 4),
        (2**53 + 1, float(2**53), 2**53 + 1),  # beyond what a float holds
        (str(2**53 + 1), float(2**53), 2**53 + 1),
        (2**63, 2.0**63, None),
        (float("nan"), None, None),
        ("inf", None, None),
        (None, None, None),
        ("three", None, None),
        ([1], None, None),
        (10**400, None, None),
    ],
)
def test_numbers_are_read_from_what_json_files_hold(value, as_number, as_whole):
    assert number(value) == as_number
    assert whole(value) == as_whole


def test_truth_values_are_not_ids():
    assert whole(True) is None
