"""The page of `peers.py`, made from its rows: a table for each shape, a verdict on each goal, and the commands."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import _features
import _figures
from _figures import Figure
from _peer_environment import FAST, INTELEX, SHARED
from _peer_families import CLUSTERINGS, FAMILIES, PLAIN

NAMED = ("python", *SHARED)
PEERS = (PLAIN, "scikit-learn-intelex", "fast_hdbscan")
ENGINE = "backbench"
GOAL = 10.0
ONE_TURN = "1 †"
NOTES = """
Cells: seconds of fits and predictions alone / with the scores, medians of the turns in one run; ratios: the fastest
peer by backbench. Turns are those of whichever of these two had fewer; a row of one (†) was measured once, on a
machine that others used, so that its ratio is rough. A peer that takes over three times as long as the fastest has one
turn. The scores of a clustering are silhouette, Davies-Bouldin, Calinski-Harabasz, NMI, AMI, ARI, purity and Hungarian
accuracy, of a classification accuracy, balanced accuracy and macro F1; backbench records more (widths of every row,
figures of each class, probabilities), and writes all of it. Last column: members whose labels equal scikit-learn's,
backbench first, and how far the others are from them. Peers run their members one after the other on all cores, or
beside each other on one core each, whichever is faster; for Ward and average linkage they keep the tree (`memory=`).
All get the rows in float32; backbench's LDA and SVM compute in float64, and each of its fits on one core, so that a
result is the same on any number of them. scikit-learn-intelex is scikit-learn with its patch; where it has no
estimator of its own, it is left out. fast_hdbscan searches approximately above 30 columns; in rows whose
command is listed, it has compiled its functions before its first turn. The total
leaves out single fits, and the option."""
Row = Mapping[str, Any]


def lines(rows: Mapping[str, Row], order: Sequence[str]) -> list[str]:
    """The page; `order` are all families."""
    kept = sorted(
        rows.values(), key=lambda row: (list(_features.SHAPES).index(row["shape"]), order.index(row["family"]))
    )
    shapes = list(dict.fromkeys(row["shape"] for row in kept))
    tables = [line for shape in shapes for line in _table([row for row in kept if row["shape"] == shape], order)]
    ends = [*NOTES.splitlines(), *_commands(kept), *_figures.lines(list(_in_the_readme(kept)))]
    return [*_head(kept), *tables, *_verdicts(kept), *ends]


def _in_the_readme(rows: Sequence[Row]) -> Iterator[Figure]:
    grids = [row for row in rows if _in_total(row)]
    if grids:
        what = "fits with their scores, against the fastest of scikit-learn, scikit-learn-intelex and fast_hdbscan"
        value = f"{_times(grids):.1f} times as fast in total, family by family"
        if together := _together(rows):
            value += (
                f"; {_times_together(grids, together):.1f} with all clusterings of a matrix in one job, as in a sweep"
            )
        yield Figure(f"{what} in each family", "10 times", value)
        plain = _plain(rows)
        ahead = len(plain) - len(_slower(plain))
        what = "families, as grids and as single fits on each shape, in which no peer is faster on fits alone"
        yield Figure(what, "all", f"{ahead} of {len(plain)}")


def _head(rows: Sequence[Row]) -> list[str]:
    head = ["# The engine against its peers\n", "```bash", "python benchmarks/peers.py --write", "```\n"]
    head.append("measures all rows. These are of several runs; the commands that measured them are at the end.\n")
    machines: dict[str, list[float]] = {}
    for row in rows:
        machine = row["machine"]
        versions = ", ".join(f"{name} {row['versions'][name]}" for name in NAMED)
        machines.setdefault(f"{machine['cores']} cores of {machine['cpu']}; {versions}", []).append(machine["load"])
    for machine, loads in machines.items():
        part = f" ({len(loads)} of {len(rows)} rows)" if len(machines) > 1 else ""
        head.append(f"{machine}; load before a row {min(loads):.1f} to {max(loads):.1f}{part}.")
    return [*head, f"Peers: {INTELEX.replace('==', ' ')}, {FAST.replace('==', ' ')}, and scikit-learn itself."]


def _commands(rows: Sequence[Row]) -> list[str]:
    """What measured the rows; those of earlier runs have not kept it."""
    kept = [row["command"] for row in rows if "command" in row]
    listed = ["\n## Commands\n", "```bash", *kept, "```"] if kept else []
    rest = len(rows) - len(kept)
    if rest:
        listed.append(f"\nRows of earlier runs and states of the engine, whose commands were not kept: {rest}.")
    return listed


def _table(rows: Sequence[Row], order: Sequence[str]) -> Iterator[str]:
    """The rows of a shape; families of `order` that it has no row of are named, too."""
    n, d = rows[0]["rows"]
    yield f"\n## {n:,} x {d:,}: {_features.TITLES[rows[0]['shape']]}\n"
    yield f"| family | members | turns | {' | '.join(PEERS)} | {ENGINE} | fits | with scores | as scikit-learn |"
    yield f"| --- | ---: | ---: |{' ---: |' * len(PEERS)} ---: | ---: | ---: | --- |"
    there = {row["family"]: row for row in rows}
    for family in order:
        if family not in there:
            yield f"| {family} |{' |' * (len(PEERS) + 5)} not measured |"
            continue
        row = there[family]
        turns = _turns(row)
        cells = [family, str(row["members"]), ONE_TURN if turns == 1 else str(turns or "")]
        cells += [_cell(row, side) for side in (*PEERS, ENGINE)]
        ratios = [f"**{ratio(row, what):.1f}**" if _counts(row) else "" for what in ("fits", "whole")]
        same = "; ".join(f"{'' if name == ENGINE else f'{name} '}{text}" for name, text in _same(row))
        yield f"| {' | '.join([*cells, *ratios, same])} |"
    counted = [row for row in rows if _in_total(row)]
    if counted:
        yield _total(counted)
    if together := _together(rows):
        yield _total_together(counted, together)


def _cell(row: Row, side: str) -> str:
    """Seconds of the fits and of fits and scores."""
    if side in row["failures"]:
        return str(row["failures"][side]).splitlines()[0]
    seconds = row["seconds"].get(side)
    return f"{_digits(seconds['fits'])} / {_digits(seconds['whole'])}" if seconds else ""


def _digits(seconds: float) -> str:
    return f"{seconds:.3f}" if seconds < 0.1 else f"{seconds:.2f}" if seconds < 10 else f"{seconds:.1f}"


def _same(row: Row) -> list[tuple[str, str]]:
    return sorted(row["same"].items(), key=lambda pair: pair[0] != ENGINE)


def _counts(row: Row) -> bool:
    return ENGINE in row["seconds"] and len(row["seconds"]) > 1


def _turns(row: Row) -> int:
    """How often the fewer of the engine and the fastest peer were measured."""
    sides = (ENGINE, best(row, "fits")[1]) if _counts(row) else ()
    return min((int(row["seconds"][side]["rounds"]) for side in sides), default=0)


def _plain(rows: Sequence[Row]) -> list[Row]:
    """The rows that the verdict counts."""
    return [row for row in rows if _counts(row) and not _optional(row)]


def _slower(rows: Sequence[Row]) -> list[Row]:
    """Those in which a peer is faster on fits alone."""
    return [row for row in rows if ratio(row, "fits") < 1]


def _in_total(row: Row) -> bool:
    """Whether a row counts in the total: grids alone, and each once."""
    return _counts(row) and "single" not in row["family"] and not _optional(row)


def best(row: Row, what: str) -> tuple[float, str]:
    """Seconds and name of the fastest peer."""
    return min((seconds[what], name) for name, seconds in row["seconds"].items() if name != ENGINE)


def ratio(row: Row, what: str) -> float:
    """Seconds of the fastest peer by the engine's, for ``fits`` or the ``whole``."""
    return float(best(row, what)[0] / row["seconds"][ENGINE][what])


def _sum(rows: Sequence[Row], what: str, side: str | None = None) -> float:
    """Seconds of a side, or of the fastest peer of each row."""
    return sum(row["seconds"][side][what] if side else best(row, what)[0] for row in rows)


def _total(rows: Sequence[Row]) -> str:
    def both(side: str | None) -> str:
        return f"{_digits(_sum(rows, 'fits', side))} / {_digits(_sum(rows, 'whole', side))}"

    plain = both(PLAIN) if all(PLAIN in row["seconds"] for row in rows) else ""
    ratios = [f"**{_sum(rows, what) / _sum(rows, what, ENGINE):.1f}**" for what in ("fits", "whole")]
    cells = [str(sum(row["members"] for row in rows)), "", plain, "", "", both(ENGINE), *ratios]
    return f"| **total of the grids** | {' | '.join(cells)} | best peer of each: {both(None)} |"


def _together(rows: Sequence[Row]) -> list[Row]:
    """The rows of all clusterings in one job, where every shape that counts has one."""
    together = [row for row in rows if row["family"] == CLUSTERINGS and ENGINE in row["seconds"]]
    shapes = {row["shape"] for row in rows if _in_total(row)}
    return together if shapes and shapes == {row["shape"] for row in together} else []


def _sum_together(rows: Sequence[Row], together: Sequence[Row], what: str) -> float:
    """Seconds of the engine with the clusterings of `rows` in one job for each shape."""
    others = [row for row in rows if FAMILIES[row["family"]].kind != "clustering"]
    return _sum([*others, *together], what, ENGINE)


def _times_together(rows: Sequence[Row], together: Sequence[Row]) -> float:
    """As `_times`, with the clusterings in one job."""
    return _sum(rows, "whole") / _sum_together(rows, together, "whole")


def _total_together(rows: Sequence[Row], together: Sequence[Row]) -> str:
    seconds = {what: _sum_together(rows, together, what) for what in ("fits", "whole")}
    ratios = [f"**{_sum(rows, what) / seconds[what]:.1f}**" for what in seconds]
    cells = ["", "", "", "", "", " / ".join(map(_digits, seconds.values())), *ratios]
    return f"| **total, the clusterings in one job** | {' | '.join(cells)} | |"


def _verdicts(rows: Sequence[Row]) -> Iterator[str]:
    plain = _plain(rows)
    slower, rough = _slower(plain), sum(_turns(row) == 1 for row in plain)
    once = f", {rough} of them measured in one turn" if rough else ""
    yield "\n## Verdicts\n"
    answer = "no" if slower else "yes"
    yield f"- No family slower than the best peer on fits alone: **{answer}**, of {len(plain)} rows{once}."
    for row in slower:
        seconds, peer = best(row, "fits")
        own = row["seconds"][ENGINE]["fits"]
        size = " x ".join(f"{side:,}" for side in row["rows"])
        once = " †" if _turns(row) == 1 else ""
        yield f"  - {size}, {row['family']}: {peer} is {own / seconds:.2f} times as fast{once}."
    grids = [row for row in plain if _in_total(row)]
    if grids:
        times = _times(grids)
        answer = "yes" if times >= GOAL else "no"
        yield f"- {GOAL:.0f}x or more in total with scores, against the best peer of each: **{answer}, {times:.1f}x**."
        if together := _together(rows):
            shared = _times_together(grids, together)
            answer = "yes" if shared >= GOAL else "no"
            yield (
                "- The same with all clusterings of a matrix in one job, which share distances and one pass of scores, "
                f"as a sweep computes them: **{answer}, {shared:.1f}x**."
            )
    options = [row for row in rows if _counts(row) and _optional(row)]
    for name in dict.fromkeys(row["family"] for row in options):
        chosen = {row["shape"]: row for row in options if row["family"] == name}
        base = name.partition(" (")[0]
        swapped = [chosen.get(row["shape"], row) if row["family"] == base else row for row in grids]
        ratios = ", ".join(f"{ratio(row, 'fits'):.1f}x on {row['rows'][1]:,} columns" for row in chosen.values())
        yield f"- {name}, which is an option: {ratios} on fits alone; {_times(swapped):.1f}x in total with scores."


def _optional(row: Row) -> bool:
    """Whether a row is a family that another row has with the options of every day."""
    return "(" in row["family"]


def _times(rows: Sequence[Row]) -> float:
    """How many times as fast the engine is as the best peer of each row, with scores."""
    return _sum(rows, "whole") / _sum(rows, "whole", ENGINE)
