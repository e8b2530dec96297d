"""Several settings, several seeds each, one table."""

import gc
import json
import pathlib

import keras
import numpy as np

from panet_tf.training.atomic_write import write_atomically
from panet_tf.training.run_record import differences


def compare(
    run,
    variants,
    seeds,
    folder,
    *,
    metrics=("val_bbox/AP", "val_bbox/AP50", "val_bbox/AP75"),
    title="",
    settings=None,
):
    """Runs every variant with every seed and writes what came of it, after each run, to a table and a JSON file.

    Runs that are finished are not repeated, as `train` is not: the same call goes on where it was stopped. What earlier
    calls have found of other variants and seeds stays in the table.

    Args:
        run: function of a variant's value, a seed and the folder of the run, that returns a dict with `metrics`. It
            refuses a folder with a finished run of other settings, as `trained_metrics` does.
        variants: dict from a variant's name to its value, e.g. gin bindings.
        seeds: sequence of int.
        folder: path; each run has a folder of its own in it, `<variant>/seed_<seed>`.
        metrics: names of what is compared; numbers from 0 to 1, shown in percent.
        title: str, above the table.
        settings: dict of JSON values that all runs share, by which rows of earlier calls are known to be comparable.
            Defaults to `None`: they are taken to be.

    Returns:
        dict from a variant's name to a dict from a metric to its values, one a seed. In `folder` lie
        `comparison.json`, which holds the same of all calls with `null` for what was not run, and `comparison.md`.

    Raises:
        ValueError: when the table would hold runs of other `settings` beside those of this call.

    Example:
        >>> variants = {"focal": ("ClassLoss.gamma = 2.0",), "plain": ("ClassLoss.gamma = 0.0",)}
        >>> compare(run, variants, (0, 1), "runs/losses")["focal"]["val_bbox/AP"]
        [0.41, 0.39]
    """
    folder, settings = pathlib.Path(folder), json.loads(json.dumps(settings))
    folder.mkdir(parents=True, exist_ok=True)
    found = _earlier(folder / "comparison.json", variants, seeds, settings)
    for seed in seeds:  # seed by seed, so that a table that is cut short compares like with like
        for name, value in variants.items():
            values = run(value, seed, folder / name / f"seed_{seed}")
            found[name][seed] = {metric: float(values[metric]) for metric in metrics}
            _write(folder, found, seeds, title, settings)
    return {name: {metric: [found[name][seed][metric] for seed in seeds] for metric in metrics} for name in variants}


def trained_metrics(train, folder):
    """Trains, or restores the finished run of the same settings, and gives its metrics. Then frees Keras's memory.

    Args:
        train: function of `model_dir` and `refuse_changes`, such as `panet_tf.train` with everything else given.
        folder: path of the run.

    Returns:
        dict, of the run's `metrics.json`.

    Raises:
        ValueError: when the run was finished with other settings, naming it and them.

    Example:
        >>> parse_gin("runs/compare_losses.gin", ["SEED = 0"])
        >>> trained_metrics(gin.get_configurable("panet_tf.train"), "runs/losses/focal/seed_0")["val_bbox/AP"]
        0.41
    """
    print(f"== {folder}", flush=True)
    train(model_dir=folder, refuse_changes=True)
    keras.backend.clear_session()
    gc.collect()
    return json.loads((pathlib.Path(folder) / "metrics.json").read_text())


def comparison_table(found, title=""):
    """A Markdown table of means and standard deviations over seeds, in percent.

    Args:
        found: as `compare` returns it; `None` for what was not run.
        title: str, above the table.

    Returns:
        str.
    """
    found = {name: {metric: _there(column) for metric, column in values.items()} for name, values in found.items()}
    metrics = list(next(iter(found.values())))
    names = [metric.removeprefix("val_") for metric in metrics]
    lines = [f"{title}\n"] if title else []
    lines += [f"| | runs | {' | '.join(names)} |", f"|---|---{'|---' * len(names)}|"]
    for name, values in found.items():
        cells = [_cell(values[metric]) for metric in metrics]
        runs = max(len(column) for column in values.values())
        lines.append(f"| {name} | {runs} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(values):
    if not values:
        return ""
    mean, deviation = 100 * np.mean(values), 100 * np.std(values)
    return f"{mean:.1f}" + (f" ± {deviation:.1f}" if len(values) > 1 else "")


def _there(column):
    return [value for value in column if value is not None]


def _earlier(path, variants, seeds, settings):
    """What a table holds already: a dict from a variant to one from a seed to its metrics. Not what is to run."""
    found = json.loads(path.read_text()) if path.exists() else {"seeds": (), "runs": {}}
    kept = {name: {} for name in (*found["runs"], *variants)}
    for name, columns in found["runs"].items():
        for i, seed in enumerate(found["seeds"]):
            values = {metric: column[i] for metric, column in columns.items() if i < len(column)}
            if _there(values.values()) and not (name in variants and seed in seeds):
                kept[name][seed] = values
    changed = differences(found["settings"], settings) if settings and found.get("settings") else ()
    stale = [f"{name}/seed_{seed}" for name, runs in kept.items() for seed in runs]
    if stale and changed:
        raise ValueError(
            f"All runs in {path} must share their settings, received {', '.join(stale)} of others:\n"
            + "\n".join(changed)
            + "\nGive the new runs another folder, or delete the file."
        )
    return kept


def _write(folder, found, seeds, title, settings):
    """The table of all runs that are known, as Markdown and as JSON."""
    seeds = sorted({*seeds, *(seed for runs in found.values() for seed in runs)})
    metrics = list(dict.fromkeys(metric for runs in found.values() for values in runs.values() for metric in values))
    columns = {
        name: {metric: [runs.get(seed, {}).get(metric) for seed in seeds] for metric in metrics}
        for name, runs in found.items()
    }
    content = {"title": title, "seeds": seeds, **({"settings": settings} if settings else {}), "runs": columns}
    write_atomically(folder / "comparison.json", json.dumps(content, indent=2) + "\n")
    write_atomically(folder / "comparison.md", comparison_table(columns, title))
