"""What a look at the surroundings finds: fine, doubtful or wrong, and then what to set."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Verdict = Literal["ok", "warn", "fail"]
OK: Verdict = "ok"
WARN: Verdict = "warn"
FAIL: Verdict = "fail"


@dataclass(frozen=True)
class Finding:
    """One line of a check: what was looked at, the verdict, what was seen, and what to set where it is not fine.

    `options` are options of Snakemake with which a launch mends it itself.
    """

    subject: str
    verdict: Verdict
    seen: str
    to_set: str = ""
    options: Sequence[str] = ()

    @property
    def line(self) -> str:
        """The finding as one line of text."""
        return f"{self.verdict:<5} {self.subject:<14} {self.seen}{f'; {self.to_set}' if self.to_set else ''}"

    @property
    def record(self) -> dict[str, Any]:
        """The finding as JSON can hold it."""
        return {**asdict(self), "options": list(self.options)}


def ok(subject: str, seen: str) -> Finding:
    """Nothing to do."""
    return Finding(subject, OK, seen)


def warn(subject: str, seen: str, to_set: str, options: Sequence[str] = ()) -> Finding:
    """Something that works, or may work, and could be better."""
    return Finding(subject, WARN, seen, to_set, options)


def fail(subject: str, seen: str, to_set: str) -> Finding:
    """Something with which a sweep cannot work."""
    return Finding(subject, FAIL, seen, to_set)


def failed(findings: Iterable[Finding]) -> bool:
    """Whether something is wrong."""
    return any(finding.verdict == FAIL for finding in findings)
