"""``backbench search``: the known images that are most similar to images or texts."""

import argparse
import csv
import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from backbench import files, paths
from backbench.cli import leaderboard
from backbench.datasets import _listing
from backbench.evaluate import chosen
from backbench.inference import fitting, found_grid, within
from backbench.inference.known import Known
from backbench.inference.searching import Answer, Searcher, Space
from backbench.pictures.source import Source
from backbench.schema import ConfigError
from backbench.store import Store
from backbench.sweeping.describing import say
from backbench.wording import brief, listed

TASKS = ("retrieval", "classification", "clustering")
FORMATS = {".csv": "csv", ".jsonl": "jsonl"}
LONG = 200


def run(args: argparse.Namespace) -> int:
    _check(args)
    store = Store(paths.store())
    source = Source(chosen.finished(args.hash, store, TASKS), store)
    among = within.rows(args.within, source)
    searcher = Searcher(fitting.fit(source, say), Known(source), among, listed(args.within), say)
    # The texts first: a backbone that knows none refuses before images are read.
    of_texts = searcher.texts(args.text, args.count)
    images = [path for place in args.paths for path in _images(Path(place).expanduser())]
    answers = [*searcher.files(images, args.count), *of_texts]
    _write(args, searcher, answers)
    _tell(searcher, answers)
    return int(not any(answer.hits for answer in answers))


def _check(args: argparse.Namespace) -> None:
    if not args.paths and not args.text:
        raise ConfigError("nothing to search for: give images or folders, or --text WORDS.")
    if any(not words.strip() for words in args.text):
        raise ConfigError("--text: received nothing but blanks; allowed: words, such as --text 'red boots'.")
    if args.grid and Path(args.grid).suffix.lower() != ".png":
        raise ConfigError(f"--grid: received {args.grid!r}; allowed: the name of a file that ends in .png.")


def _images(place: Path) -> list[Path]:
    """The file itself, or those of a folder that may be images."""
    return [place / path for path in _listing.walk(place)[0]] if place.is_dir() else [place]


def _write(args: argparse.Namespace, searcher: Searcher, answers: Sequence[Answer]) -> None:
    """Write the answers to the file or to the screen, and draw them."""
    form = args.format or FORMATS.get(Path(args.to or "").suffix.lower(), "table")
    if form == "table" and not args.to:
        _table(searcher, answers, leaderboard.screen(sys.stdout))
    else:
        text = FORMS[form](searcher, answers).encode("utf-8", "backslashreplace")
        if args.to:
            files.write_bytes(Path(args.to).expanduser(), text)
            say(f"wrote {args.to}")
        else:
            print(text.decode(), end="")
    if args.grid and any(answer.hits for answer in answers):
        files.write_bytes(Path(args.grid).expanduser(), found_grid.png(searcher, answers))
        say(f"wrote {args.grid}")


def _tell(searcher: Searcher, answers: Sequence[Answer]) -> None:
    """Say what was searched, what a score is, which queries are known, and which could not be searched for."""
    for of_text, what in ((False, "images"), (True, "texts")):
        if any(answer.hits and answer.of_text is of_text for answer in answers):
            space = _space(searcher, of_text)
            say(f"{what}: {space.sentence}; score: {space.measure}")
    known = sum(answer.known is not None for answer in answers)
    if known:
        noun = "query is an image" if known == 1 else "queries are images"
        say(f"{known:,} {noun} of the collection, and left out of the results")
    for answer in answers:
        if answer.reason:
            say(f"not searched for: {brief(answer.query, LONG)}: {answer.reason}")


def _space(searcher: Searcher, of_text: bool) -> Space:
    return searcher.words if of_text else searcher.images


def _table(searcher: Searcher, answers: Sequence[Answer], console: Any) -> None:
    """A heading and a table for each query that has an answer."""
    from rich.markup import escape
    from rich.table import Table

    for answer in answers:
        if answer.reason:
            continue
        table = Table(box=None, title=escape(_heading(searcher, answer)), title_justify="left", title_style="bold")
        for name in ("rank", "score", "distance"):
            table.add_column(name, justify="right")
        classes = bool(searcher.known.source.names)
        for name in [*(["class"] if classes else []), "image", "path"]:
            table.add_column(name, overflow="fold")
        for hit in answer.hits:
            words = [*([hit.label or ""] if classes else []), hit.name, str(hit.path or "")]
            cells = [escape(brief(word, LONG)) if word else "" for word in words]
            table.add_row(str(hit.rank), f"{hit.score:.4f}", f"{hit.distance:.4f}", *cells)
        console.print(table)
        console.print()


def _heading(searcher: Searcher, answer: Answer) -> str:
    if answer.of_text:
        return f'"{brief(answer.query, LONG)}"'
    known = "" if answer.known is None else f" ({brief(searcher.known.name(answer.known))} of the collection, left out)"
    return brief(answer.query, LONG) + known


def _records(searcher: Searcher, answers: Sequence[Answer]) -> list[Mapping[str, Any]]:
    """A record for each image that was found, and for each query without an answer."""
    records: list[Mapping[str, Any]] = []
    for answer in answers:
        known = "" if answer.known is None else searcher.known.name(answer.known)
        query = {"query": answer.query, "kind": "text" if answer.of_text else "image", "known_as": known}
        if answer.reason:
            records.append({**query, "reason": answer.reason})
        measure = "" if answer.reason else _space(searcher, answer.of_text).measure.partition(",")[0]
        for hit in answer.hits:
            found = {"rank": hit.rank, "image": hit.name, "class": hit.label, "score": hit.score, "measure": measure}
            records.append({**query, **found, "distance": hit.distance, "path": hit.path and str(hit.path)})
    return records


COLUMNS = ("query", "kind", "known_as", "rank", "image", "class", "score", "measure", "distance", "path", "reason")


def _csv(searcher: Searcher, answers: Sequence[Answer]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_records(searcher, answers))
    return text.getvalue()


def _jsonl(searcher: Searcher, answers: Sequence[Answer]) -> str:
    """A line for each image that was found, every column in it; null where it does not apply."""
    records = ({name: record.get(name) for name in COLUMNS} for record in _records(searcher, answers))
    return "".join(f"{json.dumps(record)}\n" for record in records)


def _text(searcher: Searcher, answers: Sequence[Answer]) -> str:
    target = io.StringIO()
    _table(searcher, answers, leaderboard.screen(target))
    return target.getvalue()


FORMS: Mapping[str, Callable[[Searcher, Sequence[Answer]], str]] = {"table": _text, "csv": _csv, "jsonl": _jsonl}
