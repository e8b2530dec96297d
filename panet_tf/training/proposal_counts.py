"""One detector with several files of proposals and several numbers of them."""

import difflib
import json
import pathlib

from panet_tf.training.atomic_write import write_atomically


def compare_counts(evaluate, made_of, counts, path, *, metric):
    """Evaluates a detector with each number of proposals of each file, and writes what comes of it after every number.

    What `path` holds already is not evaluated again: the same call goes on where it was stopped, another metric or
    further numbers and files add to it. What is made of something else than it was then is evaluated anew.

    Args:
        evaluate: function of a name and a number of proposals that returns a dict of numbers.
        made_of: dict from the names of files of proposals to str that change with all that the numbers depend on.
        counts: sequence of int.
        path: of the JSON file.
        metric: name of the number that is printed.

    Returns:
        dict from names to dicts from counts, as str and increasing, to what `evaluate` gave.

    Raises:
        ValueError: what is evaluated has no such metric. That is known after the first number, which is kept.

    Example:
        >>> found = compare_counts(evaluate, {"rpn": digest}, (10, 100), "comparison.json", metric="bbox/AP")
        >>> found["rpn"]["100"]["bbox/AP"]
        0.33
    """
    path = pathlib.Path(path)
    before = json.loads(path.read_text()) if path.is_file() else {}
    runs, known = before.get("runs", {}), before.get("made_of", {})
    for name in made_of:
        if name in known and known[name] != made_of[name]:
            print(f"{name} was evaluated with another model, file or configuration before: it begins anew.", flush=True)
            runs.pop(name)
        rows = runs.setdefault(name, {})
        for count in sorted(set(counts)):
            if str(count) not in rows:
                rows[str(count)] = evaluate(name, count)
                content = {"made_of": known | {name: made_of[name]}, "runs": runs}
                write_atomically(path, json.dumps(content, indent=1) + "\n")
            print(f"{name}, {count} proposals: {metric} {_value(rows[str(count)], metric, path):.4f}", flush=True)
        known[name] = made_of[name]
    return {name: {str(count): runs[name][str(count)] for count in sorted(set(counts))} for name in made_of}


def _value(numbers, metric, path):
    if metric in numbers:
        return numbers[metric]
    near = difflib.get_close_matches(metric, numbers, 1, 0.0)
    hint = f' Did you mean "{near[0]}"?' if near else ""
    raise ValueError(f"metric must be among {sorted(numbers)}, received {metric!r}.{hint} {path} keeps the numbers.")
