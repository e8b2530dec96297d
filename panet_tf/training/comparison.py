"""Several settings, several seeds each, one table."""

import json
import pathlib

import numpy as np


def compare(run, variants, seeds, folder, *, metrics=("val_bbox/AP", "val_bbox/AP50", "val_bbox/AP75"), title=""):
    """Runs every variant with every seed and writes what came of it, after each run, to a table and a JSON file.

    Runs that are finished are not repeated, as `train` is not: the same call goes on where it was stopped.

    Args:
        run: function of a variant's value, a seed and the folder of the run, that returns a dict with `metrics`.
        variants: dict from a variant's name to its value, e.g. gin bindings.
        seeds: sequence of int.
        folder: path; each run has a folder of its own in it, `<variant>/seed_<seed>`.
        metrics: names of what is compared; numbers from 0 to 1, shown in percent.
        title: str, above the table.

    Returns:
        dict from a variant's name to a dict from a metric to its values, one a seed. In `folder` lie
        `comparison.json` and `comparison.md`.

    Example:
        >>> variants = {"focal": ("ClassLoss.gamma = 2.0",), "plain": ("ClassLoss.gamma = 0.0",)}
        >>> compare(run, variants, (0, 1), "runs/losses")["focal"]["val_bbox/AP"]
        [0.41, 0.39]
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    found = {name: {metric: [] for metric in metrics} for name in variants}
    for seed in seeds:  # seed by seed, so that a table that is cut short compares like with like
        for name, value in variants.items():
            values = run(value, seed, folder / name / f"seed_{seed}")
            for metric in metrics:
                found[name][metric].append(float(values[metric]))
            (folder / "comparison.json").write_text(
                json.dumps({"title": title, "seeds": list(seeds), "runs": found}, indent=2) + "\n"
            )
            (folder / "comparison.md").write_text(comparison_table(found, title))
    return found


def comparison_table(found, title=""):
    """A Markdown table of means and standard deviations over seeds, in percent.

    Args:
        found: as `compare` returns it.
        title: str, above the table.

    Returns:
        str.
    """
    metrics = list(next(iter(found.values())))
    names = [metric.removeprefix("val_") for metric in metrics]
    lines = [f"{title}\n"] if title else []
    lines += [f"| | runs | {' | '.join(names)} |", f"|---|---{'|---' * len(names)}|"]
    for name, values in found.items():
        cells = [_cell(values[metric]) for metric in metrics]
        lines.append(f"| {name} | {len(values[metrics[0]])} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(values):
    if not values:
        return ""
    mean, deviation = 100 * np.mean(values), 100 * np.std(values)
    return f"{mean:.1f}" + (f" ± {deviation:.1f}" if len(values) > 1 else "")
