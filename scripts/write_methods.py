"""Write docs/methods.md from the stored tables in docs/methods; they are taken from a results folder.

python scripts/write_methods.py            write the page
python scripts/write_methods.py --take     take the clusterings in results/ (or BACKBENCH_RESULTS), then write the page
python scripts/write_methods.py --check    exit with 1 if the page is out of date

docs/methods/sets.yaml says which data sets there are, which runs are of each, and what was published on them.
docs/methods/NAME.json is the table of one: every clustering of the results folder that is of it, ranked as
`backbench leaderboard` ranks them.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from backbench import hashing, paths, templates, titles
from backbench.answers import naming
from backbench.engine.plan import frozen
from backbench.engine.results import ledger
from backbench.engine.results.joined_run import Row
from backbench.evaluate import estimates, leaderboard_records, leaderboards
from backbench.evaluate.leaderboards import Entry
from backbench.evaluate.unranked import Unranked
from backbench.metrics.catalogue import CLUSTERING
from backbench.papers import circumstances
from backbench.papers.page import papers
from backbench.schema import ConfigError
from backbench.store import Store

DOCS = Path(__file__).resolve().parents[1] / "docs"
SETS, TEMPLATE = "sets.yaml", "page.jinja"
# What is shown of a clustering, the ranking metric first.
METRICS = ("ami", "ari", "cluster_accuracy", "nmi")
# What can be known without classes; kept to see whether it would have chosen well.
LABEL_FREE = "silhouette"
# Rows beside the published figures.
MOST = 3
KEPT = ("cpu", "cores", "device", "seconds", "versions")

Record = dict[str, Any]


def described(folder: Path) -> tuple[list[Record], list[str]]:
    """The data sets of the page, each with its `name`, `title`, `words`, `images`, `where` and `published`; and the
    clusterers that were published since 2018.

    Raises
    ------
    ConfigError
        If the file is not there or not YAML, or a data set lacks something.
    """
    try:
        body = yaml.safe_load((folder / SETS).read_text(encoding="utf-8"))
        sets, recent = list(body["sets"]), list(body["recent"])
        for part in sets:
            missing = {"name", "title", "words", "images", "where", "published"} - part.keys()
            if missing:
                raise ConfigError(f"{SETS}: {part.get('name', part)} lacks {', '.join(sorted(missing))}.")
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{folder / SETS} has no list of sets ({type(error).__name__}: {error}).") from error
    return sets, recent


def take(folder: Path) -> list[Path]:
    """Write the table of every data set that the results folder has clusterings of; returns the files."""
    store = Store(paths.store())
    rows = [row for row in ledger.all_rows(store) if METRICS[0] in row.metrics]
    taken = []
    for collection in described(folder)[0]:
        there = [row for row in rows if _of(row, collection["where"]) and _images(row) == collection["images"]]
        if there:
            taken.append(folder / f"{collection['name']}.json")
            text = json.dumps(papers.without_places(table(collection["name"], there, store)), indent=1, sort_keys=True)
            taken[-1].write_text(text + "\n", encoding="utf-8")
    if not taken:
        raise ConfigError(f"{paths.results()} has no clustering of the data sets in {SETS}; `backbench sweep` first.")
    return taken


def _of(row: Row, where: Mapping[str, Any]) -> bool:
    """Whether a run has these parameters; one that is null may be missing."""
    return all(row.params.get(name, "null") == ("null" if value is None else value) for name, value in where.items())


def _images(row: Row) -> int:
    """How many images were clustered."""
    return int(row.plan.stages[row.run.stages[CLUSTERING]].about["n"])


def table(name: str, rows: Sequence[Row], store: Store) -> Record:
    """The table of one data set as plain JSON."""
    boards = [board for board in leaderboards.of_dataset(rows, store) if board.spec.head == CLUSTERING]
    board = boards[0]
    varying = leaderboard_records.columns_of(board)[len(board.spec.params) :]
    known = circumstances.of_rows(rows)
    return {
        "name": name,
        "entries": [_entry(entry, varying) for entry in board.entries],
        "unranked": [_unranked(other, varying) for other in board.unranked],
        "note": leaderboards.words(board),
        "circumstances": {key: known[key] for key in KEPT if key in known},
        "commands": commands(rows),
    }


def commands(rows: Iterable[Row]) -> list[str]:
    """What to type for the sweeps that the rows are of, without places of this machine."""
    plans = {row.plan.sweep: row.plan for row in rows}
    return sorted({circumstances.sweep_command(plan) for plan in plans.values()})


def _entry(entry: Entry, varying: Sequence[str]) -> Record:
    values = {name: _value(entry, name) for name in METRICS if name in entry.values or name in entry.row.metrics}
    place = {"rank": entry.rank, "tied": entry.tied, "tested": entry.tested, "stability": entry.stability}
    free = [row.metrics[LABEL_FREE] for row in entry.rows if not math.isnan(row.metrics.get(LABEL_FREE, math.nan))]
    return {
        **place,
        **_about(entry, varying),
        "values": values,
        LABEL_FREE: sum(free) / len(free) if free else None,
    }


def _value(entry: Entry, metric: str) -> list[float | None]:
    """Mean and interval of a metric: over the seeds where there are several, else what the leaderboard has."""
    values = [row.metrics[metric] for row in entry.rows if metric in row.metrics]
    if len(values) > 1 and metric != METRICS[0]:
        known = estimates.estimate(values, None, True, (0.0, 1.0))
        return [known.mean, known.low, known.high]
    shown = entry.values.get(metric)
    return [shown.mean, shown.low, shown.high] if shown else [values[0], None, None]


def _unranked(other: Unranked, varying: Sequence[str]) -> Record:
    return {**_about(other, varying), "reason": other.reason}


def _about(entry: Entry | Unranked, varying: Sequence[str]) -> Record:
    """What a configuration is called, how large its clusters are, what it took and which run is its first seed."""
    row = entry.row
    named = naming.named(row, CLUSTERING, [name for name in varying if row.params.get(name) != "null"])
    clusters = [fit.metrics["clusters"] for fit in entry.rows if "clusters" in fit.metrics]
    noise = [fit.metrics.get("noise_fraction", 0.0) for fit in entry.rows]
    return {
        "space": titles.with_notes(titles.backbone(row.params), _steps(row)),
        "method": named.method,
        "clusterer": row.params["clusterer.name"],
        "k": named.k,
        "clusters": sum(clusters) / len(clusters) if clusters else None,
        "noise": sum(noise) / len(noise),
        "seeds": len(entry.rows),
        "seconds": seconds(entry.rows),
        "older": any(fit.older[0] for fit in entry.rows),
        "run": hashing.short(entry.config_hash),
    }


def _steps(row: Row) -> list[str]:
    """The steps of the chain in words, a UMAP with its neighbours."""
    words = titles.chain(row.chain(CLUSTERING))
    steps = row.config.get(f"{CLUSTERING}.matrix", {}).get("config", {}).get("steps", ())
    counts = [step.get("n_neighbors") for step in steps]
    return [
        word if count is None else f"{word} of {count} neighbours" for word, count in zip(words, counts, strict=True)
    ]


def seconds(rows: Sequence[Row]) -> float | None:
    """Mean seconds of the chain and the fit over the seeds; None where a record is missing."""
    totals = []
    for row in rows:
        before = frozen.ancestors(row.plan.stages, [row.run.stages[CLUSTERING]])
        kinds = ("matrix", CLUSTERING)
        members = [member for member in before if row.plan.stages[member].kind in kinds]
        times = [row.records.get(member, {}).get("provenance", {}).get("seconds") for member in members]
        if None in times:
            return None
        totals.append(math.fsum(times))
    return sum(totals) / len(totals)


def page(folder: Path) -> str:
    """The text of docs/methods.md."""
    stored = {path.stem: json.loads(path.read_bytes()) for path in sorted(folder.glob("*.json"))}
    sets, recent = described(folder)
    shown = [{**part, **_shown(stored[part["name"]], recent)} for part in sets if part["name"] in stored]
    text = templates.environment([folder], escape=False).get_template(TEMPLATE).render(sets=shown)
    return "\n".join(line.rstrip() for line in text.splitlines()).strip() + "\n"


def _shown(stored: Record, recent: Sequence[str]) -> Record:
    """What the page says of a data set beyond its description."""
    entries = stored["entries"]
    free = [entry for entry in entries if entry[LABEL_FREE] is not None]
    by_age = {age: [entry for entry in entries if (entry["clusterer"] in recent) is age] for age in (True, False)}
    return {
        "table": stored,
        "best_of_each": best_of_each(entries),
        "most_accurate": sorted(entries, key=lambda entry: -entry["values"]["cluster_accuracy"][0])[:MOST],
        "chosen": max(free, key=lambda entry: entry[LABEL_FREE]) if free else None,
        "recent": by_age[True][0] if by_age[True] else None,
        "older": by_age[False][0] if by_age[False] else None,
    }


def best_of_each(entries: Sequence[Record]) -> list[Record]:
    """The first entry of every clusterer, in the order of the ranks."""
    first: dict[str, Record] = {}
    for entry in entries:
        first.setdefault(entry["clusterer"], entry)
    return list(first.values())


def main(words: Sequence[str] | None = None, docs: Path = DOCS) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--take", action="store_true", help="take the clusterings of the results folder first")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if the page is out of date")
    args = parser.parse_args(words)
    target, folder = docs / "methods.md", docs / "methods"
    try:
        if args.check:
            fresh = target.exists() and target.read_text(encoding="utf-8") == page(folder)
            print("" if fresh else "docs/methods.md is out of date; run `make docs`", end="", file=sys.stderr)
            return int(not fresh)
        for path in take(folder) if args.take else []:
            print(path.relative_to(docs.parent))
        target.write_text(page(folder), encoding="utf-8")
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
