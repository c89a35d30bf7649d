"""A fit and its scores as one record, and whether the scores are those of the fit and of today's code.

The record of a fit holds what was fitted and, as its metrics, what only the fit knows (`bic`, `stability`, the recall
of a search). Its scores lie under the same hash as kind `scores`, with the digest of the code of the metrics and the
digests of the arrays that were scored. Fits of one hash that several versions of the code made have scores of their
own: these lie under the hash of the fit and the first digits of its code, as the fit's record says (`place`). In
records of earlier versions they lie under the hash alone, or the fit's record holds all metrics.
"""

from collections.abc import Container, Mapping
from typing import TYPE_CHECKING, Any

from backbench import hashing
from backbench.engine.grid import HEADS, Stage
from backbench.metrics import catalogue
from backbench.stage import SCORES
from backbench.stages.scores import Fit
from backbench.store import DONE, FAILED, Store

if TYPE_CHECKING:
    import numpy as np

Record = Mapping[str, Any]

CURRENT, STALE, ABSENT = "current", "stale", "absent"
# What is scored of a fit, what else where the fit has it, and the inputs of the fit that this takes.
SCORED = {"clustering": "labels", "classification": "predictions", "retrieval": "neighbours"}
BESIDE = {"classification": ("probabilities", "decision")}
READS = {"clustering": ("dataset", "matrix"), "classification": ("dataset",), "retrieval": ("dataset",)}
# Options of a fit with which its scores read more.
MORE_READS = {"full": ("matrix",)}
# The key of a fit's record with the code that its scores lie under, and the key of what the view of both says of them.
APART, SUMMARY = "apart", "scores"


def read(stage_kind: str, member: str, store: Store) -> dict[str, Any] | None:
    """The record of a stage result; that of a fit with its scores."""
    record = store.read(stage_kind, member)
    if record is None or stage_kind not in HEADS:
        return record
    return merged(record, store.read(SCORES, place(record)))


def place(fit: Record) -> str:
    """What the scores of a fit lie under."""
    code = fit.get(APART)
    return f"{fit['hash']}.{hashing.short(code)}" if isinstance(code, str) else str(fit["hash"])


def merged(fit: dict[str, Any], scores: Record | None) -> dict[str, Any]:
    """One view of a fit and its scores, as if one stage had made them; scores of other arrays do not count.

    The entry of an array that lies with the scores has the keys `kind` and `member`. The key `scores` says how the
    scores came out, and by which code; it is None where they are missing, and absent in records of earlier versions,
    which hold them.
    """
    if scores is None or not _are_of(scores, fit):
        return {**fit, SUMMARY: None} if APART in fit else fit
    summary = {key: scores[key] for key in ("status", "reason", "code")}
    arrays = {name: {**entry, "kind": SCORES, "member": place(fit)} for name, entry in scores["arrays"].items()}
    summary["arrays"] = list(arrays)
    names = [name for name in fit["metrics"] if APART in fit or catalogue.known(name)]
    kept = [name for name in names if name not in scores["metrics"]]
    view = {**fit, SUMMARY: summary}
    view["metrics"] = {**{name: fit["metrics"][name] for name in kept}, **scores["metrics"]}
    view["notes"] = {**{name: text for name, text in fit["notes"].items() if name in kept}, **scores["notes"]}
    view["info"] = _info(fit["info"], scores["info"])
    fitted_arrays = {name: entry for name, entry in fit["arrays"].items() if APART in fit or name in scores["of"]}
    view["arrays"] = {**fitted_arrays, **arrays}
    view["provenance"] = _provenance(fit["provenance"], scores["provenance"])
    if scores["status"] == FAILED and fit["status"] == DONE:
        view |= {"status": FAILED, "reason": f"scores: {scores['reason']}"}
    return view


def _info(fit: Record, scores: Record) -> dict[str, Any]:
    parts = {name: {**fit.get("parts", {}).get(name, {}), **values} for name, values in scores.get("parts", {}).items()}
    return {**fit, **scores, **({"parts": parts} if parts else {})}


def _provenance(fit: Record, scores: Record) -> dict[str, Any]:
    """That of the fit, with the time of both, and every version and every BLAS library where they differ."""
    versions = dict(fit["versions"])
    for name, version in scores["versions"].items():
        known = versions.setdefault(name, version)
        versions[name] = known if known == version else f"{known}, {version}"
    libraries = {text for part in (fit, scores) for text in part.get("blas", "").split("; ") if text}
    blas = {"blas": "; ".join(sorted(libraries))} if "blas" in fit else {}
    return {**fit, "versions": versions, **blas, "seconds": round(fit["seconds"] + scores["seconds"], 6)}


def forget(member: str, code: str, store: Store) -> None:
    """Forget the scores of a fit that `code` makes again, although its labels may come out the same."""
    store.forget(SCORES, place({"hash": member, APART: code}))


def of(fit: Record, kind: str) -> dict[str, str]:
    """Digests of the arrays of a fit that are scored, by name."""
    return {name: fit["arrays"][name]["sha256"] for name in (SCORED[kind], *beside(kind, fit["arrays"]))}


def beside(kind: str, there: Container[str]) -> list[str]:
    """Which of the arrays of a fit are scored beside its labels, predictions or neighbours."""
    return [name for name in BESIDE.get(kind, ()) if name in there]


def fit(kind: str, member: str, config: Mapping[str, Any], arrays: "Mapping[str, np.ndarray]") -> Fit:
    """A fit to score, from all of its arrays (n, ...) by name."""
    return Fit(member, config, arrays[SCORED[kind]], {name: arrays[name] for name in beside(kind, arrays)})


def _are_of(scores: Record, fit: Record) -> bool:
    return all(fit["arrays"].get(name, {}).get("sha256") == digest for name, digest in scores["of"].items())


def reads(stage: Stage) -> list[tuple[str, str]]:
    """Kind and hash of what the scores of a fit are computed from, beside its arrays."""
    more = [role for option, roles in MORE_READS.items() if stage.config.get(option) for role in roles]
    return [stage.parents[role] for role in dict.fromkeys([*READS[stage.kind], *more])]


def own_arrays(record: Record) -> dict[str, Any]:
    """The arrays of a record that lie with it, without those of the scores."""
    return {name: entry for name, entry in record["arrays"].items() if "kind" not in entry}


def scored(record: Record) -> bool:
    """Whether nothing is missing in the record of a result: of a fit that did not fail, its scores are there."""
    return record.get("status") == FAILED or record.get(SUMMARY, record) is not None


def failed_fit(record: Record) -> bool:
    """Whether there are no labels, predictions or neighbours; that they could not be scored is another thing."""
    return record["status"] == FAILED and (record.get(SUMMARY) or {}).get("status") != FAILED


def state(stage: Stage, record: Record, store: Store) -> str:
    """State of the scores of a fit by the view of both: stale where other code or an earlier version made them."""
    if SUMMARY not in record:
        return STALE
    summary = record[SUMMARY]
    if summary is None or not _complete(record, store):
        return ABSENT
    if summary["code"] != stage.scoring:
        return STALE
    return CURRENT if summary["status"] == DONE else FAILED


def _complete(record: Record, store: Store) -> bool:
    arrays = {name: record["arrays"][name] for name in record[SUMMARY]["arrays"]}
    return store.complete(SCORES, {"hash": record["hash"], "arrays": arrays})


def older(stage: Stage, record: Record) -> tuple[bool, bool]:
    """Whether other code than `stage` names made a fit, and its scores."""
    summary = record.get(SUMMARY)
    return not stage.made(record), bool(summary and stage.scoring and summary["code"] != stage.scoring)


def code(record: Record) -> list[str]:
    """Digests of the code of a fit and of its scores."""
    summary = record.get(SUMMARY)
    return [record["code"], summary["code"]] if summary else [record["code"]]
