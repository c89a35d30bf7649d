"""What the audit of a run's collection found, with the images concerned."""

from collections.abc import Sequence
from dataclasses import dataclass

from backbench.app import browsing
from backbench.app.browsing import Listed
from backbench.pictures.source import Source
from backbench.reports import audit
from backbench.store import DONE

# States of checks that are worth a look.
WRONG = ("fault", "look")


@dataclass(frozen=True)
class Check:
    """One check of an audit: its title, how many there are, what that means, and the images that it names.

    `wrong` is whether a person should look at it.
    """

    key: str
    title: str
    shown: str
    meaning: str
    wrong: bool
    images: Sequence[Listed]


@dataclass(frozen=True)
class Audit:
    """The verdict of an audit in a sentence, and its checks."""

    verdict: str
    checks: Sequence[Check]


def of_run(source: Source) -> Audit | None:
    """The newest audit of the collection of a run; None where there is none."""
    dataset = source.row.stages["dataset"]
    members = [
        member
        for member, stage in source.row.plan.stages.items()
        if stage.kind == "audit" and ("dataset", dataset) in stage.parents.values()
    ]
    record = next((record for member in members if (record := source.store.read("audit", member))), None)
    if record is None or record["status"] != DONE:
        return None
    summary = audit.summary(record["info"])
    listed = browsing.faults(record["info"])
    checks = [
        Check(
            check["key"],
            check["title"],
            check["shown"],
            check["meaning"],
            check["state"] in WRONG,
            [image for group in listed.get(check["key"], ()) for image in group],
        )
        for check in summary["checks"]
    ]
    return Audit(summary["verdict"]["text"], checks)
