"""From the answer of a sweep to what MLflow shows of it (no mlflow)."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from backbench import hashing
from backbench.answers import words
from backbench.engine.plan.frozen import Plan
from backbench.engine.results import tables
from backbench.engine.results.joined_run import FINISHED, PENDING, Row
from backbench.evaluate import best_k, leaderboard_specs, verdicts
from backbench.evaluate.answer import SweepAnswer
from backbench.evaluate.candidates import Representation
from backbench.evaluate.leaderboards import Progress, quiet
from backbench.files import write_if_changed
from backbench.metrics.catalogue import checked
from backbench.pictures import drawing
from backbench.store import DONE, FAILED
from backbench.tracking import note, published, titles, views
from backbench.tracking.published import NAME_CHARACTERS, NOT_IN_NAMES
from backbench.tracking.rows import VIEW, Attached, Curve, Data, Experiment, RunRow, Summary
from backbench.tracking.service import address, artifact_root, shared_root, without_password
from backbench.tracking.writing import TrackReport, track

NOTE = "mlflow.note.content"
PICTURES = "pictures"
# The experiment that every MLflow has, whose artifacts lie elsewhere.
MLFLOWS_OWN = "Default"
REPORT = "report.html"
OVER_K = checked(
    *("silhouette", "davies_bouldin", "calinski_harabasz", "inertia", "bic", "stability"),
    *("ami", "ari", "cluster_accuracy", "nmi", "purity"),
)
# Tags with what to use for each task; MLflow's page cuts keys of more than 15 characters beside a long value.
USE = {"classification": "use.classifier", "clustering": "use.clustering", "retrieval": "use.retrieval"}
# Metrics of what is recommended that are metrics of the summary of a sweep, `best_NAME`.
BEST = checked(
    *("val_accuracy", "accuracy", "ami", "nmi", "ari", "cluster_accuracy", "silhouette", "precision_at_10"),
)


def run_rows(rows: Sequence[Row]) -> list[RunRow]:
    """The rows that MLflow shows: those that are done or failed."""
    return [_run_row(row) for row in rows if row.status != PENDING]


def summary(answer: SweepAnswer, dataset: str, table: str, pages: bool = True) -> Summary:
    """The summary run of a sweep on one data set: its note, curves over k, leaderboard, and with `pages` the pictures
    and the report of the sweep, and the table of the paper that it reproduces."""
    plan, rows = answer.plan, answer.of_dataset(dataset)
    counts = {f"runs_{status}": sum(row.status == status for row in rows) for status in (FINISHED, FAILED, PENDING)}
    experiment = str(plan.request.get("experiment", ""))
    files = map(Attached, (*_written(plan, rows, table, dataset), answer.write()))
    paper = published.table_of(plan) if pages else None
    curves = over_k(space for space in answer.representations if space.dataset == dataset)
    about = {"experiment": experiment, VIEW: next((view.key for view in _views(rows, curves)), "")}
    at = _after(rows)
    metrics = {**counts, "stages": len(plan.stages), **_best(answer, dataset)}
    return Summary(
        name=f"sweep {experiment} {hashing.short(plan.sweep)}",
        metrics={**metrics, **(published.metrics(paper) if paper else {})},
        start_ms=at,
        end_ms=at,
        tags={**about, NOTE: note.note(answer, dataset, paper), **_chosen(answer, dataset)},
        files=(*files, *(_drawn(plan, dataset) if pages else ()), *(published.files(paper) if paper else ())),
        curves={**curves, **(published.curves(paper) if paper else {})},
        data=_data(rows[0]),
    )


def _written(plan: Plan, rows: Sequence[Row], table: str, dataset: str) -> list[Path]:
    """The leaderboard, what was asked for, and the grid that this meant, as files beside the results."""
    request = {"sweep": plan.sweep, **plan.request}
    texts = {
        f"leaderboard-{dataset}.csv": table,
        "request.json": json.dumps(request, indent=1, sort_keys=True),
        f"experiment-{dataset}.json": json.dumps(grid(rows), indent=1, sort_keys=True, default=str),
    }
    for name, text in texts.items():
        write_if_changed(plan.folder / name, text)
    return [plan.folder / name for name in texts]


def grid(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """The resolved experiment: parameters that all runs share, and the values of those that differ, in their order."""
    values: dict[str, list[Any]] = {}
    for row in rows:
        for name, value in row.params.items():
            seen = values.setdefault(name, [])
            if value not in seen:
                seen.append(value)
    everywhere = {name for name in values if all(name in row.params for row in rows)}
    constant = {name: seen[0] for name, seen in values.items() if len(seen) == 1 and name in everywhere}
    axes = {name: sorted(seen, key=_place) for name, seen in values.items() if name not in constant}
    return {"constant": constant, "axes": axes}


def _place(value: Any) -> tuple[bool, float, str]:
    """Numbers by size, before words: a plan that was read from its file has its runs in another order."""
    number = isinstance(value, (int, float))
    return not number, value if number else 0, str(value)


def over_k(representations: Iterable[Representation]) -> dict[str, Curve]:
    """Metrics of each family of clusterings with k as the step: what MLflow can plot."""
    curves: dict[str, Curve] = {}
    for space in representations:
        for family, members in best_k.by_family(space).items():
            for measured in OVER_K:
                curve = best_k.mean_curve(members, measured)
                if len(curve) > 1:
                    name = NOT_IN_NAMES.sub("_", f"{measured}/{family} on {space.title}")
                    curves[name[:NAME_CHARACTERS]] = curve
    return curves


def _views(rows: Sequence[Row], curves: Mapping[str, Curve]) -> list[views.View]:
    """The saved views of what was measured, the one to look at first before the others."""
    measured = (name for row in rows for name, value in row.metrics.items() if not math.isnan(value))
    return views.of_metrics(measured, curves)


def _drawn(plan: Plan, dataset: str) -> list[Attached]:
    """The pictures of a sweep on one data set, and its report."""
    report = plan.folder / REPORT
    pictures = [picture for picture in drawing.of_sweep(plan) if picture.dataset in ("", dataset)]
    return [*_pictures(pictures), *([Attached(report)] if report.is_file() else [])]


def _pictures(drawn: Sequence[drawing.Drawn]) -> list[Attached]:
    return [Attached(file, PICTURES) for picture in drawn for file in (picture.png, picture.csv)]


def _data(row: Row) -> Data:
    """The data set of a row as MLflow shows it."""
    member = row.stages["dataset"]
    info = row.records.get(member, {}).get("info", {})
    profile = {"images": info.get("n"), "classes": len(info.get("classes") or []), **info.get("counts", {})}
    source = json.dumps({"uri": str(info.get("root") or info.get("source") or row.collection)})
    return Data(row.collection, hashing.short(member), "local", source, profile, "frozen features")


def _chosen(answer: SweepAnswer, dataset: str) -> dict[str, str]:
    """Tags with the policy, and with what to use for each task: in words, and the hash of its run."""
    tags = {"selection.policy": answer.selection["policy"]["name"]}
    for each in (verdict for each_set in answer.named(dataset) for verdict in words.answer(each_set).verdicts):
        key = USE[each.verdict.task]
        tags |= {key: each.text.headline, f"{key}.run": each.verdict.run}
    return {key: text for key, text in tags.items() if text}


def _run_row(row: Row) -> RunRow:
    start, end = _taken(row)
    seconds = {f"seconds_{kind}": value for kind, value in row.provenance("seconds").items() if "." not in kind}
    return RunRow(
        config_hash=row.config_hash,
        name=titles.run_name(row.params),
        status=DONE if row.status == FINISHED else FAILED,
        params={key: _plain(value) for key, value in row.params.items()},
        metrics={**row.metrics, **seconds},
        tags=_tags(row),
        config=row.config,
        start_ms=start,
        end_ms=end,
        reason=row.reason,
        curves={name: dict(enumerate(values)) for name, values in row.curves.items()},
        files=tuple(_pictures(drawing.of_run(row.config_hash))),
        data=_data(row),
    )


def _tags(row: Row) -> dict[str, str]:
    """Hashes, digests, versions and circumstances, as recorded with the results."""
    tags: dict[str, Any] = {f"stage.{kind}": member for kind, member in row.stages.items()}
    data = row.records.get(row.stages["dataset"], {}).get("info", {})
    tags |= {"dataset.digest": data.get("digest"), "dataset.label_digest": data.get("label_digest")}
    tags["dataset.excluded"] = len(data["excluded"]) if data.get("excluded") else None
    for kind, record in row.heads.items():
        tags[f"{kind}.label_digest"] = record["info"].get("label_digest")
    tags |= {f"version.{name}": version for name, version in row.versions.items()}
    for key in ("git", "device", "cpu", "cpu_features", "blas"):
        tags[key] = ", ".join(sorted({str(value) for value in row.provenance(key).values()})) or None
    for key in ("threads", "device"):
        tags |= {f"{key}.{kind}": value for kind, value in row.provenance(key).items()}
    tags["batch_size"] = row.provenance("batch_size").get("features")
    accepted = [digest for record in row.heads.values() for digest in record.get("accepted_code", [])]
    tags["accepted_code"] = ",".join(accepted) or None
    tags["code"] = row.code
    return {key: str(value) for key, value in tags.items() if value is not None}


def _best(answer: SweepAnswer, dataset: str) -> dict[str, float]:
    """Metrics of what is recommended for each task; nothing where the data sets of this name have several answers."""
    answers = answer.named(dataset)
    if len(answers) != 1:
        return {}
    values = {name: value for verdict in answers[0].verdicts for name, value in verdicts.named_metrics(verdict).items()}
    return {f"best_{name}": values[name] for name in BEST if name in values}


def _taken(row: Row) -> tuple[int, int]:
    """Start and end in milliseconds as if the fits of a run had been made one after the other, ending with the last:
    results of other sweeps may be days old, which does not make a run longer.

    They come from the records alone, so that they never change by themselves.
    """
    records = list(row.heads.values()) or [row.records[member] for member in row.members if member in row.records]
    if not records:
        return 0, 0
    end = int(1000 * max(record["provenance"]["finished"] for record in records))
    return end - int(1000 * sum(record["provenance"]["seconds"] for record in records)), end


def _after(rows: Iterable[Row]) -> int:
    """When the summary of a sweep starts: after its last fit, because MLflow lists the run that started last first."""
    return max((_taken(row)[1] for row in rows), default=0) + 1


def _plain(value: Any) -> str | int | float | bool:
    return value if isinstance(value, (str, int, float, bool)) else json.dumps(value)


def record(answer: SweepAnswer, uri: str | None = None, progress: Progress = quiet, pages: bool = True) -> TrackReport:
    """Record the runs of a sweep in MLflow, one experiment per dataset; nothing where all are pending.

    `pages` says whether the pictures and the report of the sweep are attached: not while another job may be writing
    them.

    Raises
    ------
    TrackingUnavailable
        If MLflow does not answer.
    """
    names = sorted({row.collection for row in answer.rows if row.status != PENDING})
    reports = [_record(answer, dataset, uri, progress, pages) for dataset in names]
    totals = (sum(getattr(report, item.name) for report in reports) for item in fields(TrackReport))
    content = {"uri": without_password(address(uri)), "sweep": answer.plan.sweep}
    write_if_changed(answer.plan.tracked, json.dumps(content))
    return TrackReport(*totals)


def _record(answer: SweepAnswer, dataset: str, uri: str | None, progress: Progress, pages: bool) -> TrackReport:
    rows = answer.of_dataset(dataset)
    records = [tables.flatten(row) for row in rows]
    table = tables.to_csv(tables.order(records, f"-{leaderboard_specs.chooser(rows)}"))
    whole = summary(answer, dataset, table, pages)
    place = experiment_of(rows, whole.curves)
    root = shared_root()
    return track(run_rows(rows), place, address(uri), answer.plan.sweep, artifact_root(), progress, whole, root)


def experiment_of(rows: Sequence[Row], curves: Mapping[str, Curve]) -> Experiment:
    """The experiment of the rows of one collection: called after it, with the views of what was measured.

    Earlier versions called it after the plugin of the data set, such as ``folder``.
    """
    collection, plugin = rows[0].collection, str(rows[0].params["dataset.name"])
    name = f"{collection} (images)" if collection == MLFLOWS_OWN else collection
    return Experiment(name, views.tags(_views(rows, curves)), plugin if plugin != name else "")
