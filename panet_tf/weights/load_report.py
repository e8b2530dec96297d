"""What came of loading a file of weights."""

import collections
import dataclasses

SHOWN = 20


@dataclasses.dataclass(frozen=True)
class LoadReport:
    """Which weights of a model were set, and what was left on either side.

    Attributes:
        source: str, the file.
        loaded: tuple of names in the file that set a weight.
        skipped: tuple of (name, shape, reason) of arrays in the file that set none.
        missing: tuple of paths of the model's weights that kept their values.
        ignored: tuple of names in the file that no weight could take: torch's counters of batches, and what was left
            out on purpose.
        conventions: tuple of (name, value, value before) of the source's conventions that were set on the model.
    """

    source: str
    loaded: tuple = ()
    skipped: tuple = ()
    missing: tuple = ()
    ignored: tuple = ()
    conventions: tuple = ()

    def __str__(self):
        lines = [f"Loaded {len(self.loaded)} arrays from {self.source}."]
        skipped = [f"{name} {shape}: {reason}" for name, shape, reason in self.skipped]
        lines += _listed(f"Skipped {len(skipped)}", skipped)
        lines += _listed(f"Left {len(self.missing)} weights of the model as they were", self.missing)
        kinds = collections.Counter(name.replace("/", ".").rpartition(".")[2] for name in self.ignored)
        if kinds:
            lines.append("Ignored " + ", ".join(f"{count} {kind}" for kind, count in kinds.items()) + ".")
        changed = [f"{name}: {value}, was {old}" for name, value, old in self.conventions if value != old]
        if self.conventions:
            lines += _listed(f"Set {len(self.conventions)} conventions, of which changed", changed) or [
                f"Set {len(self.conventions)} conventions, which the model had already."
            ]
        return "\n".join(lines)


def _listed(title, entries):
    if not entries:
        return []
    rest = len(entries) - SHOWN
    return [f"{title}:", *(f"  {entry}" for entry in entries[:SHOWN])] + ([f"  and {rest} more"] if rest > 0 else [])
