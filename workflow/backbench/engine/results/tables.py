"""Rows as tables: filter, sort, and the formats that machines read."""

import csv
import io
import json
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from backbench import hashing
from backbench.engine.results.joined_run import Row
from backbench.metrics import catalogue
from backbench.metrics.catalogue import COLUMNS
from backbench.schema import ConfigError

CONDITION = re.compile(r"^\s*([\w.]+)\s*(<=|>=|!=|==|=|<|>)\s*(.*?)\s*$")
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
HEAD = ("config_hash", "status", "name")
TAIL = ("reason", "code")
SECONDS = "seconds_"

Record = dict[str, Any]


def flatten(row: Row) -> Record:
    """A row as one flat record: hash, status, name, parameters, metrics, reason.

    Raises
    ------
    ConfigError
        For a metric that the catalogue does not have: in a table it would pass for a parameter.
    """
    for name in row.metrics:
        catalogue.metric(name, f"metric of run {hashing.short(row.config_hash)}")
    named = {"config_hash": row.config_hash, "status": row.status, "name": row.name}
    seconds = {f"{SECONDS}{kind}": value for kind, value in row.provenance("seconds").items()}
    return {**named, **row.params, **row.metrics, **seconds, "reason": row.reason, "code": row.code[:12]}


def columns(records: Iterable[Record]) -> list[str]:
    """All columns of the records: hash and status first, then parameters, metrics and the rest."""
    seen = dict.fromkeys(key for record in records for key in record)
    extra = sorted(key for key in seen if key not in COLUMNS and (catalogue.known(key) or key.startswith(SECONDS)))
    params = sorted(key for key in seen if key not in (*HEAD, *COLUMNS, *extra, *TAIL))
    return [*HEAD, *params, *COLUMNS, *extra, *TAIL]


def meeting(rows: Sequence[Row], conditions: Iterable[str]) -> list[Row]:
    """The rows that meet every condition, as `select` reads them."""
    kept = {record["config_hash"] for record in select([flatten(row) for row in rows], conditions)}
    return [row for row in rows if row.config_hash in kept]


def select(records: Sequence[Record], conditions: Iterable[str]) -> list[Record]:
    """The records that meet every condition (``k>=5``, ``backbone.name=pixels``).

    Raises
    ------
    ConfigError
        For a condition that cannot be read, or a column that no record has.
    """
    selected = list(records)
    known = columns(records)
    for text in conditions:
        match = CONDITION.match(text)
        if not match:
            raise ConfigError(f"--filter: received {text!r}; write COLUMN=VALUE (also != < <= > >=), such as k>=5.")
        name, sign, value = match.groups()
        if records and name not in known:
            raise catalogue.unknown("--filter", name, known)
        selected = [record for record in selected if _meets(record.get(name), OPERATORS[sign], value)]
    return selected


def order(records: Sequence[Record], key: str | None) -> list[Record]:
    """Records sorted by a column; ``-column`` sorts downwards; what has no value comes last."""
    if not key:
        return list(records)
    name, down = key.lstrip("-"), key.startswith("-")
    if records and name not in columns(records):
        raise catalogue.unknown("--sort", name, columns(records))
    present = [record for record in records if _number_or_text(record.get(name)) is not None]
    absent = [record for record in records if _number_or_text(record.get(name)) is None]
    numeric = all(isinstance(record[name], (int, float)) for record in present)
    present.sort(key=lambda record: record[name] if numeric else str(record[name]), reverse=down)
    return present + absent


def to_csv(records: Sequence[Record], names: Sequence[str] | None = None) -> str:
    """CSV text; an undefined metric is an empty field."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(names or columns(records)), extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _plain(value) for key, value in record.items()} for record in records)
    return text.getvalue()


def to_json(records: Sequence[Record], names: Sequence[str] | None = None) -> str:
    """JSON text: a list of objects; an undefined metric is null."""
    kept = names or columns(records)
    return json.dumps([{key: _plain(record.get(key)) for key in kept} for record in records], indent=1) + "\n"


def distinct(rows: Sequence[Row], head: str) -> list[Row]:
    """One row per result of a head: runs that repeat it are no further evidence.

    A result counts if neither it nor a stage before it failed, whatever became of the other heads of its run; of runs
    that share it, one that did not fail represents it.
    """
    by_result: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: (row.reason is not None, row.config_hash)):
        if head in row.heads and not row.chain_failed(head):
            by_result.setdefault(row.run.stages[head], row)
    return list(by_result.values())


def _meets(value: Any, compare: Callable[[Any, Any], bool], text: str) -> bool:
    if value is None:
        return compare is operator.ne
    if isinstance(value, bool):
        return compare(str(value).lower(), text.lower())
    if isinstance(value, (int, float)):
        try:
            return compare(value, float(text))
        except ValueError:
            return compare is operator.ne
    return compare(str(value), text)


def _number_or_text(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def _plain(value: Any) -> Any:
    return _number_or_text(value) if not isinstance(value, Mapping) else json.dumps(value)
