"""Can the answer be trusted? One card for each thing that could make it wrong; the sentences are the page's."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from backbench import plugins
from backbench.datasets import _files
from backbench.engine.results import recorded
from backbench.engine.results.joined_run import FINISHED, PENDING
from backbench.evaluate import agreement
from backbench.metrics.catalogue import CLASSIFICATION, CLUSTERING, main
from backbench.reports import _audit_checks
from backbench.reports._audit_checks import ABSENT, FAULT, FINE, LOOK, Check
from backbench.reports._part import EXTERNAL, Part
from backbench.store import FAILED

# An accuracy whose 95 % interval is wider than this leaves most differences open.
WIDE = 0.1
ACCURACY = main(CLASSIFICATION)
ROLES = {"backbone": "backbone.name", "clusterer": "clusterer.name", "classifier": "classifier.name"}
# Backbones that take what the user brings are no candidates of their own.
BROUGHT = ("precomputed", "timm", "torchvision", "open_clip")


@dataclass(frozen=True)
class Card:
    """What was looked at, the state of it, the word or number that the card shows, and what its sentence needs."""

    key: str
    state: str
    shown: str
    values: Mapping[str, Any] = field(default_factory=dict)


def cards(part: Part) -> list[Card]:
    """The cards of a data set, gravest first."""
    order = (FAULT, LOOK, FINE, ABSENT)
    return sorted((card for look in _LOOKS for card in look(part)), key=lambda card: order.index(card.state))


def gate(part: Part) -> list[Check]:
    """What the audit of the images found, without what is in order."""
    checks = _audit_checks.checks(part.audit) if part.audit else []
    return [check for check in checks if check.state in (FAULT, LOOK)]


def _images(part: Part) -> Iterator[Card]:
    if part.audit is not None:
        verdict = _audit_checks.verdict(part.audit, _audit_checks.checks(part.audit))
        yield Card("images", verdict["state"], {FAULT: "Fix", LOOK: "Check", FINE: "Ready"}[verdict["state"]], verdict)
    elif part.images:
        yield Card("images", ABSENT, "–", {"text": ""})


def _runs(part: Part) -> Iterator[Card]:
    counts = part.counts
    state = LOOK if counts[FAILED] or counts[PENDING] else FINE
    yield Card("runs", state, f"{counts[FINISHED]:,} of {len(part.rows):,}", counts)


def _excluded(part: Part) -> Iterator[Card]:
    if files := _files.lost(part.info.get("excluded")):
        yield Card("excluded", LOOK, f"{len(files):,}")


def _test(part: Part) -> Iterator[Card]:
    verdict, held = part.verdict(CLASSIFICATION), part.info.get("counts", {}).get("test")
    reading = verdict.reported if verdict else None
    if held and reading and reading.estimate.low is not None and reading.estimate.high is not None:
        width = reading.estimate.high - reading.estimate.low
        yield Card("test", LOOK if width > WIDE else FINE, f"{held:,}", {"points": 100 * width})


def _splits(part: Part) -> Iterator[Card]:
    """Whether classifiers were chosen and tested on different images."""
    table = part.table(CLASSIFICATION)
    if table is not None and table.spec.caveat:
        split = "Validation" if table.spec.rank == ACCURACY else "Test"
        yield Card("splits", LOOK, "none", {"split": split, "caveat": table.spec.caveat})


def _internal(part: Part) -> Iterator[Card]:
    """Whether the metrics that need no classes find what the classes find."""
    misled, compared = part.disagreements, part.agreements
    if misled:
        cost = {"cost": agreement.NOTABLE, "metric": EXTERNAL}
        yield Card("internal", LOOK, f"{len(misled)} of {len(compared)}", cost)
    elif compared:
        yield Card("internal", FINE, "agree")


def _edge(part: Part) -> Iterator[Card]:
    verdict = part.verdict(CLUSTERING)
    k = verdict.entry.params.get("k") if verdict and verdict.entry else None
    if k is not None and len(part.ks) > 1 and k == part.ks[-1]:
        yield Card("edge", LOOK, f"{k}")


def _seeds(part: Part) -> Iterator[Card]:
    stages = [
        row.plan.stages[row.run.stages[task]]
        for row in part.rows
        for task in (CLUSTERING, CLASSIFICATION)
        if task in row.run.stages
    ]
    chance = sorted({stage.family for stage in stages if "seed" in stage.config})
    seeds = len(part.values("seed"))
    shown, state = (f"{seeds}", LOOK if seeds == 1 else FINE) if chance else ("–", FINE)
    yield Card("seeds", state, shown, {"chance": chance, "seeds": seeds})


def _versions(part: Part) -> Iterator[Card]:
    mixed = [name for name, versions in recorded.versions(part.rows).items() if len(versions) > 1]
    yield Card("versions", LOOK if mixed else FINE, "mixed" if mixed else "same", {"mixed": mixed})


def _code(part: Part) -> Iterator[Card]:
    old, scores = (sum(row.older[place] for row in part.rows) for place in (0, 1))
    dirty = any(commit.endswith("-dirty") for commit in recorded.values(part.rows, "git"))
    shown = "mixed" if old or scores else "changed" if dirty else "same"
    yield Card("code", FINE if shown == "same" else LOOK, shown, {"old": old, "scores": scores})


def _machine(part: Part) -> Iterator[Card]:
    cpus, devices = recorded.values(part.rows, "cpu"), recorded.values(part.rows, "device")
    count = max(len(cpus), len(devices))
    shown, state = (f"{count}", LOOK) if count > 1 else ("same", FINE)
    yield Card("machine", state, shown, {"cpus": cpus, "devices": devices, "several": count > 1})


def _untried(part: Part) -> Iterator[Card]:
    """What this version could have tried too."""
    untried = {}
    for kind, name in ROLES.items():
        tried = set(part.values(name))
        others = [plugin for plugin in plugins.names(kind) if plugin not in tried and plugin not in BROUGHT]
        if tried and others:
            untried[kind] = others
    if untried:
        yield Card("untried", ABSENT, f"{sum(map(len, untried.values()))}", {"untried": untried})


_LOOKS = (
    *(_images, _runs, _excluded, _test, _splits, _internal, _edge),
    *(_seeds, _versions, _code, _machine, _untried),
)
