"""The printed list of what was loaded."""

from panet_tf.weights.load_report import LoadReport


def test_a_full_fit_is_one_line():
    assert str(LoadReport("a.npz", ("x", "y"))) == "Loaded 2 arrays from a.npz."


def test_both_sides_are_listed():
    text = str(LoadReport("a.npz", ("x",), (("fc.weight", (91, 4), "the model has (4, 4)"),), ("fc/kernel",)))
    assert text.splitlines() == [
        "Loaded 1 arrays from a.npz.",
        "Skipped 1:",
        "  fc.weight (91, 4): the model has (4, 4)",
        "Left 1 weights of the model as they were:",
        "  fc/kernel",
    ]


def test_long_lists_are_cut_in_print_only():
    report = LoadReport("a.npz", ("x",), missing=tuple(f"w{i}" for i in range(30)))
    assert "w19" in str(report) and "w20" not in str(report) and "and 10 more" in str(report)
    assert len(report.missing) == 30


def test_what_was_ignored_is_counted_by_kind():
    names = [f"bn{i}.num_batches_tracked" for i in range(53)] + ["layers/seed"]
    text = str(LoadReport("a.npz", ("x",), ignored=tuple(names)))
    assert text.splitlines()[1:] == ["Ignored 53 num_batches_tracked, 1 seed."]
