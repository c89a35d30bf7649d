"""Images per second from files to features on disk, against other loaders and against the bare legs; peak memory.

Run with ``python benchmarks/extraction.py [--photographs FOLDER]``; it writes tables into
``benchmarks/results/extraction.md``, or ``forward.md`` without the part files. For each kind of collection (photographs
of 12 megapixels, small JPEG files, tiny PNG files) it compares, on all cores: what planning and the jobs of backbench
do, the audit included; torchvision's ``ImageFolder`` in a ``DataLoader``, and timm's loader, with the same network in
eager PyTorch; and the legs alone, one decoding of every file and the bare forward pass. Each is a process that has its
network open, and they take turns, so that other work on the machine counts for all. ``--parts forward memory`` compares
the features stage alone with the bare pass over decoded images, and says what memory the stage takes.
"""

import argparse
import itertools
import os
import shlex
import statistics
import sys
import tempfile
from pathlib import Path

# How OpenBLAS is told which kernels to take; it counts from the moment when it is loaded.
CORETYPE = os.environ.pop("OPENBLAS_CORETYPE", None)

import _alone  # noqa: E402
import _pictures  # noqa: E402
from _turns import Way  # noqa: E402
from _ways import CASES, Asked  # noqa: E402

from backbench import paths, provenance  # noqa: E402
from backbench.backbones import _engine  # noqa: E402

TITLES = {
    "backbench": "backbench: read, audit, extract",
    "imagefolder": "torchvision ImageFolder, DataLoader",
    "timm": "timm create_loader",
    "decode": "leg: one decoding at a scale, resize",
    "whole": "whole decoding, resize",
    "forward": "leg: bare forward pass",
}
# Networks that no engine runs.
PLAIN = frozenset({"pixels"})
PARTS = ("files", "forward", "memory")
RESULTS = paths.CHECKOUT / "benchmarks" / "results"


def main() -> None:
    args = _arguments()
    parts = {"files": _files, "forward": _alone.forward, "memory": _alone.memory}
    with tempfile.TemporaryDirectory() as folder:
        lines = [line for part in args.parts for line in parts[part](args, Path(folder) / part)]
    target = RESULTS / ("extraction.md" if "files" in args.parts else "forward.md")
    target.write_text("\n".join([*_head(args), *lines, ""]), encoding="utf-8")
    print("\n".join(lines))


# ------------------------------------------------------------------------------------------------ files


def _files(args: argparse.Namespace, folder: Path) -> list[str]:
    lines = [
        "## From files to features on disk\n",
        "Random weights. backbench reads and decodes each file once, and makes the identity of the collection, its",
        "audit and the features, each stored and verified; the others make features alone. Opening the network is not",
        f"in the time. Medians of {args.rounds} interleaved rounds. Of memory, the peak of the process and what the",
        "processes of a loader have for themselves. Of the legs neither is free while the other works, since both",
        "take all cores: the bound is their sum, not the slower one.\n",
    ]
    for case in args.cases:
        root = _collection(args, CASES[case].files, folder)
        lines += _compared(case, root, args, folder)
        print("\n".join(lines[-20:]), flush=True)
    return lines


def _collection(args: argparse.Namespace, kind: str, folder: Path) -> Path:
    """The folder of the files of a kind, made at the first call."""
    if kind == "photographs" and args.photographs:
        return args.photographs.absolute()
    root = folder / kind
    if not root.exists():
        _pictures.make(root, kind, getattr(args, f"{kind}_count"), args.threads)
    return root


def _compared(case: str, root: Path, args: argparse.Namespace, folder: Path) -> list[str]:
    engines = ["torch"] if CASES[case].network in PLAIN else args.engines
    wanted = [(way, "torch") for way in ("imagefolder", "timm", "decode", "whole")]
    wanted = [(way, engine) for engine in engines for way in ("backbench", "forward")] + wanted
    if not _engine._installed("timm"):
        wanted.remove(("timm", "torch"))
    ways = {each: Way(each[0], Asked(case, str(root), each[1], args.threads)) for each in wanted}
    try:
        for number, (each, way) in itertools.product(range(args.rounds), ways.items()):
            way.work(folder / "made" / f"{case}-{'-'.join(each)}-{number}")
    finally:
        for way in ways.values():
            way.close()
    return [*_case_head(case, root), *_rows(ways, _count(case, root)), "", *_ratios(ways, engines), ""]


def _count(case: str, root: Path) -> int:
    return len(Asked(case, str(root), "torch", 1).files())


def _case_head(case: str, root: Path) -> list[str]:
    about, files = CASES[case], Asked(case, str(root), "torch", 1).files()
    megabytes = sum(file.stat().st_size for file in files) / 1e6 / len(files)
    width, height = _pictures.KINDS[about.files].sides
    size = f"{megabytes:.1f} MB" if megabytes > 0.1 else f"{1000 * megabytes:.1f} kB"
    return [
        f"### {len(files):,} {files[0].suffix[1:].upper()} files of {size}: {case}, through {about.network}\n",
        f"{width} x {height} pixels unless others were given, to {about.policy.size} x {about.policy.size}.\n",
        "| way | engine | images/s | seconds | processor s | peak MB | opening s |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]


def _rows(ways: dict[tuple[str, str], Way], n: int) -> list[str]:
    lines = []
    for (name, engine), way in ways.items():
        seconds, batch = way.middle("seconds"), way.rounds[-1]["batch"]
        title = TITLES[name] + (f", batches of {batch:.0f}" if batch else "")
        runs = "" if name in ("decode", "whole") or way.asked.about.network in PLAIN else engine
        opening = f"{way.opening:.1f}" if name in ("backbench", "imagefolder", "timm") else ""
        lines.append(
            f"| {title} | {runs} | {n / seconds:,.0f} | {seconds:.2f} | {way.middle('cpu'):.2f} | "
            f"{way.middle('mb'):,.0f} | {opening} |"
        )
    if not any(name == "timm" for name, _ in ways):
        lines.append(f"| {TITLES['timm']} | not installed | | | | | |")
    return lines


def _ratios(ways: dict[tuple[str, str], Way], engines: list[str]) -> list[str]:
    """How long backbench takes for what the legs take, and the loaders for what it takes; medians of the rounds."""
    lines = []
    decode = ways["decode", "torch"].rounds
    for engine in engines:
        plain = ways["backbench", engine].asked.about.network in PLAIN
        with_engine = "" if plain else f" with {engine}"
        ours, forward = ways["backbench", engine].rounds, ways["forward", engine].rounds
        of = {
            "the slower leg": [max(a["seconds"], b["seconds"]) for a, b in zip(decode, forward, strict=True)],
            "the sum of the legs": [a["seconds"] + b["seconds"] for a, b in zip(decode, forward, strict=True)],
        }
        words = [f"{_ratio([a['seconds'] for a in ours], base)} of {name}" for name, base in of.items()]
        sums = [a["cpu"] + b["cpu"] for a, b in zip(decode, forward, strict=True)]
        lines.append(
            f"- backbench{with_engine} takes {' and '.join(words)}; of their processor time "
            f"{_ratio([a['cpu'] for a in ours], sums)}."
        )
    ours = [a["seconds"] for a in ways["backbench", "torch"].rounds] if "torch" in engines else []
    whose = "" if plain else " with torch"
    for name in ("imagefolder", "timm"):
        if ours and (name, "torch") in ways:
            theirs = [a["seconds"] for a in ways[name, "torch"].rounds]
            lines.append(f"- {TITLES[name]} takes {_ratio(theirs, ours)} of the time of backbench{whose}.")
    return lines


def _ratio(over: list[float], under: list[float]) -> str:
    ratios = [a / b for a, b in zip(over, under, strict=True)]
    return f"**{statistics.median(ratios):.2f}** ({min(ratios):.2f} to {max(ratios):.2f})"


# ------------------------------------------------------------------------------------------------ the page


def _head(args: argparse.Namespace) -> list[str]:
    about, versions = provenance.machine(), provenance.versions()
    device = f"{args.threads} cores of {about['cpu']}"
    if args.device != "cpu":
        import torch

        device = f"{torch.cuda.get_device_name()}, {device}"
    names = [f"{name} {versions[name]}" for name in ("torch", "pillow", "numpy") if name in versions]
    return [
        "# Extraction\n",
        "```bash",
        shlex.join(
            ["python", "benchmarks/extraction.py", *("FOLDER" if Path(w).is_dir() else w for w in sys.argv[1:])]
        ),
        "```\n",
        f"{device}; load of the machine at the end {os.getloadavg()[0]:.1f}. {', '.join(names)}; OPENBLAS_CORETYPE",
        f"was {CORETYPE or 'not set'}, and is not set here. The files are made of {_pictures.source()}.\n",
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=["files"])
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--device", default="cpu", help="of the part forward: cpu (default) or cuda")
    parser.add_argument("--engines", nargs="+", default=None, help="default: torch, and openvino if it is installed")
    parser.add_argument("--models", nargs="+", choices=_alone.MODELS, default=_alone.SMALL)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of one measurement of the part forward")
    parser.add_argument("--photographs", type=Path, help="a folder of folders of JPEG files (default: made ones)")
    for kind, about in _pictures.KINDS.items():
        parser.add_argument(f"--{kind}-count", type=int, default=about.count, help=f"default {about.count}")
    args = parser.parse_args()
    installed = args.device == "cpu" and _engine._installed("openvino")
    args.engines = args.engines or (["torch", "openvino"] if installed else ["torch"])
    return args


if __name__ == "__main__":
    main()
