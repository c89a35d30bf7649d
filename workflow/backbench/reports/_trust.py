"""Can the answer be trusted? One card for each thing that could make it wrong, from the records alone."""

from collections.abc import Iterable, Mapping
from typing import Any

from backbench import plugins
from backbench.datasets import _files
from backbench.evaluate import agreement
from backbench.metrics import catalogue
from backbench.reports import _words
from backbench.reports._part import EXTERNAL, Part, listed
from backbench.reports._words import ABSENT, FAULT, FINE, LOOK, Check
from backbench.sweep.results.ledger import FAILED, FINISHED, PENDING
from backbench.wording import counted

ACCURACY = catalogue.main("classification")
# An accuracy whose 95 % interval is wider than this leaves most differences open.
WIDE = 0.1
ROLES = {"backbone": "backbone.name", "clusterer": "clusterer.name", "classifier": "classifier.name"}
# Backbones that take what the user brings are no candidates of their own.
BROUGHT = ("precomputed", "timm", "torchvision", "open_clip")
UNTRIED = 3


def checks(part: Part) -> list[Check]:
    """The cards of a data set, gravest first."""
    found = [
        *_images(part),
        _runs(part),
        *_excluded(part),
        *_test(part),
        *_parts(part),
        *_internal(part),
        *_edge(part),
        _seeds(part),
        _versions(part),
        _code(part),
        _machine(part),
        *_untried(part),
    ]
    order = (FAULT, LOOK, FINE, ABSENT)
    return sorted(found, key=lambda check: order.index(check.state))


def gate(part: Part) -> list[Check]:
    """What the audit of the images found, without what is in order."""
    found = _words.checks(part.audit) if part.audit else []
    return [check for check in found if check.state in (FAULT, LOOK)]


def _images(part: Part) -> Iterable[Check]:
    if not part.images:
        return
    if part.audit is None:
        said = "The images were not audited: nothing is known of duplicates or leaks."
        yield Check("images", "Images", "–", ABSENT, said)
        return
    verdict = _words.verdict(part.audit, _words.checks(part.audit))
    shown = {FAULT: "Fault", LOOK: "Look", FINE: "Ready"}[verdict["state"]]
    yield Check("images", "Images", shown, verdict["state"], verdict["text"])


def _runs(part: Part) -> Check:
    counts = part.counts
    state = LOOK if counts[FAILED] or counts[PENDING] else FINE
    open_ = [f"{counts[name]:,} {name}" for name in (FAILED, PENDING) if counts[name]]
    said = f"{listed(open_)}: the answer is from the others." if open_ else "Every run finished."
    said += " The same sweep again goes on with the pending ones." if counts[PENDING] else ""
    return Check("runs", "Runs finished", f"{counts[FINISHED]:,} of {len(part.rows):,}", state, said)


def _excluded(part: Part) -> Iterable[Check]:
    files = _files.lost(part.info.get("excluded"))
    if files:
        said = "Files of the collection that no result has seen; the reasons are listed below."
        yield Check("excluded", "Files left out", f"{len(files):,}", LOOK, said)


def _test(part: Part) -> Iterable[Check]:
    table, held = part.table("classification"), part.info.get("counts", {}).get("test")
    value = table.entries[0].values.get(ACCURACY) if table else None
    if not held or value is None or not value.over:
        return
    width = value.high - value.low
    said = f"The 95 % interval of the best accuracy is {100 * width:.1f} points wide: read smaller gaps by their ranks."
    yield Check("test", "Test images", f"{held:,}", LOOK if width > WIDE else FINE, said)


def _parts(part: Part) -> Iterable[Check]:
    """Whether classifiers were chosen and tested on different images."""
    table = part.table("classification")
    if table is not None and table.spec.caveat:
        lacking = "Validation" if table.spec.rank == ACCURACY else "Test"
        yield Check("parts", f"{lacking} images", "none", LOOK, table.spec.caveat)


def _internal(part: Part) -> Iterable[Check]:
    """Whether the metrics that need no classes find what the classes find."""
    found, all_ = part.disagreements, part.agreements
    if not all_:
        return
    if found:
        cost = f"{agreement.NOTABLE} {catalogue.metric(EXTERNAL).title}"
        said = f"Choosing by an internal metric costs {cost} or more: do not go by silhouette alone."
        yield Check("internal", "Internal metrics mislead", f"{len(found)} of {len(all_)}", LOOK, said)
    else:
        said = "In every representation they choose what agrees with the classes nearly as well as the best."
        yield Check("internal", "Internal metrics", "agree", FINE, said)


def _edge(part: Part) -> Iterable[Check]:
    table = part.table("clustering")
    k = table.entries[0].params.get("k") if table and table.spec.space is None else None
    if k is not None and len(part.ks) > 1 and k == part.ks[-1]:
        said = "It is the largest that was tried: larger ones may be better yet."
        yield Check("edge", "Best k", f"{k}", LOOK, said)


def _seeds(part: Part) -> Check:
    seeds = sorted(part.values("seed"))
    chance = {
        stage.family
        for row in part.rows
        for head in ("clustering", "classification")
        if head in row.run.stages and "seed" in (stage := row.plan.stages[row.run.stages[head]]).config
    }
    if not chance:
        return Check("seeds", "Seeds", "–", FINE, "Nothing that was fitted here depends on chance.")
    if len(seeds) == 1:
        said = f"One seed: how much {listed(sorted(chance))} vary by chance is not known."
        return Check("seeds", "Seed", "1", LOOK, said, then="seeds=0..9")
    said = f"Means are over {len(seeds)} seeds where chance plays a part ({listed(sorted(chance))})."
    return Check("seeds", "Seeds", f"{len(seeds)}", FINE, said)


def _versions(part: Part) -> Check:
    mixed = sorted({name for name, found in versions(part).items() if len(found) > 1})
    if mixed:
        said = f"Results were made by different versions of {listed(mixed)}. An empty results folder makes them alike."
        return Check("versions", "Libraries", "mixed", LOOK, said)
    return Check("versions", "Libraries", "same", FINE, "All results were made by the same versions of every library.")


def _code(part: Part) -> Check:
    old, scores = (sum(row.older[place] for row in part.rows) for place in (0, 1))
    dirty = sorted(commit for commit in circumstances(part, "git") if commit.endswith("-dirty"))
    if old:
        said = f"{counted(old, 'run')} made by other code than the plan's; the same sweep again brings them up to date."
        return Check("code", "Code", "mixed", LOOK, said)
    if scores:
        said = f"The metrics of {counted(scores, 'run')} were computed by other code than the plan's."
        said += " The same sweep again brings them up to date."
        return Check("code", "Code", "mixed", LOOK, said)
    if dirty:
        return Check("code", "Code", "changed", LOOK, "Some results were made by a checkout with uncommitted changes.")
    return Check("code", "Code", "same", FINE, "All results were made by the code of the plan, committed.")


def _machine(part: Part) -> Check:
    cpus, devices = circumstances(part, "cpu"), circumstances(part, "device")
    if len(cpus) > 1 or len(devices) > 1:
        said = f"Made on {listed(sorted(cpus))} ({listed(sorted(devices))}): speeds cannot be compared."
        return Check("machine", "Machines", f"{max(len(cpus), len(devices))}", LOOK, said)
    said = f"All on {listed(sorted(cpus)) or 'one machine'}, {listed(sorted(devices))}."
    return Check("machine", "Machine", "same", FINE, said)


def _untried(part: Part) -> Iterable[Check]:
    """What this version could have tried too."""
    left, said = 0, []
    for kind, name in ROLES.items():
        tried = set(part.values(name))
        others = [one for one in plugins.names(kind) if one not in tried and one not in BROUGHT]
        if tried and others:
            left += len(others)
            said.append(f"{kind}s {listed(others, UNTRIED)}")
    if said:
        yield Check("untried", "Not tried", f"{left}", ABSENT, f"Not in this sweep: {'; '.join(said)}.")


def versions(part: Part) -> dict[str, set[str]]:
    """Library to the versions that made the results."""
    found: dict[str, set[str]] = {}
    for record in records(part).values():
        for name, version in record["provenance"].get("versions", {}).items():
            found.setdefault(name, set()).add(version)
    return found


def circumstances(part: Part, key: str) -> set[str]:
    """The values that a key of the provenance has in the records."""
    values = (record["provenance"].get(key) for record in records(part).values())
    return {str(value) for value in values if value is not None}


def records(part: Part) -> Mapping[str, Mapping[str, Any]]:
    """The records of all stages of a data set's runs, each once."""
    members = dict.fromkeys(member for row in part.rows for member in row.members)
    known = part.rows[0].records
    return {member: known[member] for member in members if member in known}
