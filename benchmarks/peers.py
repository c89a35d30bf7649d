"""The engine's families against the best that can be installed instead of them, side by side in turns.

    python benchmarks/peers.py                              both shapes, every family, as tables on the screen
    python benchmarks/peers.py --write                      the same, into benchmarks/results/peers.md
    python benchmarks/peers.py --write --shape wide --families k-NN SVM     these rows anew, the others as they were
    python benchmarks/peers.py --small                      seconds: digits, scikit-learn alone, nothing is installed

Peers are scikit-learn, scikit-learn-intelex and fast_hdbscan, in an environment of their own (--environment), which is
made at the first run. Every side of a family is a process that has loaded its libraries; they compute the same grid on
the same cores in turns, and medians count. `fits` are fits and predictions alone, `with scores` the metrics of each fit
too: by hand with scikit-learn for the peers; for the engine what a job does, with reading and writing in the store.
"""

import argparse
import json
import os
import shlex
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import _features
import _peer_agreement
import _peer_environment
import _peer_page
import _rounds
from _peer_families import FAMILIES, PLAIN, Grid, Together
from _peer_page import PEERS

from backbench import paths, provenance

FOLDER = paths.CHECKOUT / "benchmarks" / "results"
HERE = Path(__file__).parent
ENGINE = "backbench"
# A side that takes so many times as long as the fastest peer works in the first round alone.
SLOW = 3.0
# The others have this many, however long they take.
TURNS = 2
SMALL = ("k-means", "DBSCAN", "k-NN", "nearest centroid", "precision@10")


PEER_WORKS, ENGINE_WORKS = ("fits", "scores"), ("fits", "fresh", "whole")


@dataclass
class Times:
    """Seconds of one side in each of its turns."""

    fits: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)

    def add(self, answers: dict[str, Any]) -> Any:
        """Take in the answers of a turn; returns the metrics."""
        last = answers.get("whole") or answers["scores"]
        self.fits.append(answers["fits"]["seconds"])
        self.whole.append(last["seconds"] + (0.0 if "whole" in answers else self.fits[-1]))
        return last["metrics"]

    def turn(self) -> float:
        """Seconds of a turn, at most."""
        return self.fits[-1] + self.whole[-1] if self.fits else 0.0

    def middle(self) -> dict[str, Any]:
        return {"fits": statistics.median(self.fits), "whole": statistics.median(self.whole), "rounds": len(self.fits)}


def main() -> None:
    args = _arguments()
    page = FOLDER / "peers.json"
    kept = args.write or args.page
    rows: dict[str, Any] = json.loads(page.read_text(encoding="utf-8")) if kept and page.exists() else {}
    interpreter = Path(sys.executable) if args.small or args.page else _peer_environment.python(args.environment)
    for shape in [] if args.page else args.shape:
        data = _features.shape(shape, args.work).first(args.rows)
        for name in args.families:
            grid = FAMILIES[name]
            if grid.there(shape):
                rows[f"{shape}: {name}"] = _row(shape, name, data, interpreter, args)
                if args.write:
                    page.write_text(_text(rows), encoding="utf-8")
    text = "\n".join(_peer_page.lines(rows, list(FAMILIES)))
    print(text)
    if args.write:
        page.with_suffix(".md").write_text(f"{text}\n", encoding="utf-8")


def _text(rows: dict[str, Any]) -> str:
    """JSON with a line for each row."""
    lines = (f"{json.dumps(name)}: {json.dumps(row, sort_keys=True)}" for name, row in sorted(rows.items()))
    return "{\n" + ",\n".join(lines) + "\n}\n"


# ------------------------------------------------------------------------------------------------ measuring


def _row(shape: str, name: str, data: _features.Data, python: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Seconds of all sides of a family, how far they agree, and where it was measured."""
    grid, started, load = FAMILIES[name], time.perf_counter(), os.getloadavg()[0]
    members = grid.members(data.x)
    with tempfile.TemporaryDirectory() as folder:
        data.save(Path(folder) / "data")
        sides = _opened(grid, members, Path(folder), python, args)
        try:
            times, metrics = _turns(sides, args)
            for side in sides.values():
                side.ask("save")
        finally:
            for side in sides.values():
                side.close()
        same = _peer_agreement.words(grid.kind, Path(folder), metrics)
    failures = {key: side.failure for key, side in sides.items() if side.failure}
    seconds = {key: each.middle() for key, each in times.items() if each.whole}
    print(f"{shape}: {name}: {time.perf_counter() - started:.0f} s {failures or ''}", file=sys.stderr, flush=True)
    about, versions = provenance.machine(), provenance.versions()
    return {
        "shape": shape,
        "rows": list(data.x.shape),
        "family": name,
        "members": len(members),
        "seconds": seconds,
        "failures": failures,
        "same": same,
        "command": _command(shape, name, args),
        "machine": {"cpu": about["cpu"], "cores": _features.CORES, "load": round(load, 1)},
        "versions": {key: versions[key] for key in ("python", *_peer_environment.SHARED)},
    }


def _command(shape: str, name: str, args: argparse.Namespace) -> str:
    """The command that measures this row alone, with the options that its figures depend on."""
    words = ["python", "benchmarks/peers.py", "--shape", shape, "--families", name]
    words += ["--rounds", str(args.rounds), "--enough", f"{args.enough:g}", "--limit", f"{args.limit:g}"]
    words += ["--rows", str(args.rows)] if args.rows else []
    return shlex.join([*words, "--peers", *args.peers] if args.peers != list(PEERS) else words)


def _opened(
    grid: Grid | Together, members: list[Any], folder: Path, python: Path, args: argparse.Namespace
) -> dict[str, _rounds.Side]:
    """The sides by name, each with its libraries loaded by a small trial."""
    free, source = _peer_environment.variables(), {"PYTHONPATH": str(paths.CHECKOUT / "workflow")}
    common = {"kind": grid.kind, "members": members, "folder": str(folder / "data")}
    sides = {}
    for peer, beside in grid.peers.items() if isinstance(grid, Grid) else ():
        if peer in args.peers:
            asked = {"peer": peer, "loop": grid.loop(peer), "beside": beside, "answer": str(folder / f"{peer}.npy")}
            command = [str(python), str(HERE / "_peer_work.py"), json.dumps({**common, **asked})]
            sides[peer] = _rounds.Side(command, free, args.limit)
    command = [sys.executable, str(HERE / "_engine_work.py")]
    command += [json.dumps({**common, "answer": str(folder / f"{ENGINE}.npy")})]
    sides[ENGINE] = _rounds.Side(command, free | source, args.limit)
    return sides


def _turns(sides: dict[str, _rounds.Side], args: argparse.Namespace) -> tuple[dict[str, Times], dict[str, Any]]:
    """Seconds of each side, and the metrics that each has computed; a third begins if it ends in time."""
    times, metrics = {name: Times() for name in sides}, {}
    start = time.perf_counter()
    for turn in range(args.rounds):
        working = [name for name in sides if not _slow(name, times)]
        spent = time.perf_counter() - start
        if turn >= TURNS and spent + sum(times[name].turn() for name in working) > args.enough:
            break
        for name in working:
            answers = {work: sides[name].ask(work) for work in (ENGINE_WORKS if name == ENGINE else PEER_WORKS)}
            if sides[name].failure is None:
                metrics[name] = times[name].add(answers)
    return times, metrics


def _slow(name: str, times: dict[str, Times]) -> bool:
    """Whether a side has taken so much longer than the fastest peer that one turn of it is enough."""
    peers = [min(each.whole) for key, each in times.items() if key != ENGINE and each.whole]
    return name != ENGINE and bool(times[name].whole) and min(times[name].whole) > SLOW * min(peers)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", nargs="+", choices=_features.SHAPES, default=["narrow", "wide"], metavar="SHAPE")
    parser.add_argument(
        "--families", nargs="+", choices=FAMILIES, metavar="FAMILY", help=", ".join(map(repr, FAMILIES))
    )
    parser.add_argument("--peers", nargs="+", default=list(PEERS))
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side at most (default 5)")
    parser.add_argument(
        "--enough", type=float, default=60, help="no third turn that would end after so many seconds (default 60)"
    )
    parser.add_argument(
        "--limit", type=float, default=400, help="a side has so many seconds for an answer (default 400)"
    )
    parser.add_argument("--rows", type=int, help="take the first rows of a shape alone, for a trial")
    parser.add_argument("--small", action="store_true", help="a trial of seconds that installs nothing")
    parser.add_argument("--environment", type=Path, help="folder of the peers (default: among the results)")
    parser.add_argument("--work", type=Path, help="folder that keeps the features (default: in the temporary folder)")
    parser.add_argument("--page", action="store_true", help="measure nothing: make the page again from its JSON")
    parser.add_argument("--write", action="store_true", help="keep the rows in benchmarks/results/peers.json and .md")
    args = parser.parse_args()
    args.work = _features.work_folder(args.work)
    args.environment = args.environment or paths.results() / "benchmarks" / "peers"
    if args.small:
        args.shape, args.peers, args.rounds = ["digits"], [PLAIN], 1
    args.families = args.families or list(SMALL if args.small else FAMILIES)
    return args


if __name__ == "__main__":
    main()
