"""What was wrong with a data set, problem by problem."""

import collections
from typing import NamedTuple

ACTIONS = ("skipped image", "skipped annotation", "repaired", "note")
_KEPT_PER_RULE = 1000


class Problem(NamedTuple):
    """One broken rule: what was done about it, the rule, and where."""

    action: str
    rule: str
    file: str = ""
    image_id: int | str | None = None
    annotation_id: int | str | None = None
    detail: str = ""

    def __str__(self):
        where = [
            f"image {self.image_id}" if self.image_id is not None else "",
            self.file,
            f"annotation {self.annotation_id}" if self.annotation_id is not None else "",
        ]
        return f"{self.action}: {self.rule} [{', '.join(w for w in where if w)}]" + (
            f" {self.detail}" if self.detail else ""
        )


class ProblemReport:
    """Counts every problem and keeps the first 1,000 of each rule with file, image id and annotation id.

    Actions: `"skipped image"` and `"skipped annotation"` (not in the data), `"repaired"` (in the data, changed as the
        rule
    says), `"note"` (in the data as it is).

    Attributes:
        counts: `collections.Counter` of (action, rule).
        problems: list of `Problem`.

    Example:
        >>> report.add("skipped image", "image file is missing", file="a.png", image_id=3)
        >>> report.count("skipped image")
        1
    """

    def __init__(self):
        self.counts = collections.Counter()
        self.problems = []

    def add(self, action, rule, *, file="", image_id=None, annotation_id=None, detail=""):
        """Counts one problem, and keeps it while its rule has fewer than 1,000."""
        if action not in ACTIONS:
            raise ValueError(f"action must be one of {ACTIONS}, received {action!r}")
        self.counts[action, rule] += 1
        if self.counts[action, rule] <= _KEPT_PER_RULE:
            self.problems.append(
                Problem(action, rule, file, _plain(image_id), _plain(annotation_id), str(detail)[:300])
            )

    def merge(self, other):
        """Adds another report's problems to this one."""
        room = {key: _KEPT_PER_RULE - self.counts[key] for key in other.counts}
        for problem in other.problems:
            key = problem.action, problem.rule
            if room[key] > 0:
                room[key] -= 1
                self.problems.append(problem)
        self.counts.update(other.counts)

    def count(self, action):
        """Number of problems that were answered by `action`."""
        return sum(n for (a, _), n in self.counts.items() if a == action)

    def summary(self, max_listed=0):
        """Text of all counts, a line a rule, and the first `max_listed` problems of each rule."""
        lines = []
        for action in ACTIONS:
            for (a, rule), n in sorted(self.counts.items()):
                if a != action:
                    continue
                lines.append(f"{action}: {rule}: {n}")
                shown = [p for p in self.problems if (p.action, p.rule) == (action, rule)][:max_listed]
                for p in shown:
                    where = [
                        p.file,
                        f"image {p.image_id}" if p.image_id is not None else "",
                        f"annotation {p.annotation_id}" if p.annotation_id is not None else "",
                        p.detail,
                    ]
                    lines.append("    " + ", ".join(w for w in where if w))
                if shown and n > len(shown):
                    lines.append(f"    ... and {n - len(shown)} more")
        return "\n".join(lines)

    def to_dict(self):
        """A form that JSON can hold; `from_dict` undoes it."""
        return {
            "counts": [[a, r, n] for (a, r), n in self.counts.items()],
            "problems": [list(p) for p in self.problems],
        }

    @classmethod
    def from_dict(cls, saved):
        report = cls()
        report.counts.update({(a, r): n for a, r, n in saved["counts"]})
        report.problems = [Problem(*p) for p in saved["problems"]]
        return report


def _plain(value):
    """Ids as JSON can hold them: whatever stands in a broken file must not break the report about it."""
    return (
        value if value is None or isinstance(value, (int, str)) and not isinstance(value, bool) else repr(value)[:100]
    )
