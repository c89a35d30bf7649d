"""Everything that runs on a GPU, checked and measured: correctness, extraction, the engine's families; one page.

    python benchmarks/gpu.py                                            # a GPU, at most eight minutes
    python benchmarks/gpu.py --device cpu --small --output FOLDER       # tries all of it on a CPU, in a minute

It needs PyTorch, numpy, scikit-learn and pandas, no network, and a checkout that it is started in; backbench need not
be installed. It writes ``benchmarks/results/gpu-NAME.md`` (NAME: of the GPU) and the rounds as JSON beside it, anew
after every measurement: whenever it is stopped, what was measured is on the page, and what was not is marked there.
Each part is a process of its own with a share of the minutes; what one leaves over the others have. A part that breaks
is begun again behind what it broke at. While the checks run, networks are compiled beside them into a cache on disk.

Status 0: nothing was wrong. 1: something was (a check that does not hold or was not made, results that disagree, what
broke); the last lines say what. 2: no GPU. 130 or 143: stopped. A speed below its bar is nothing wrong.
"""

import argparse
import contextlib
import json
import os
import queue
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _gpu_page
import _gpu_plan
from _gpu_part import MARK

START = time.monotonic()
HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
# Seconds for what comes after the last part, and those that a part may take beyond its own before it is ended.
RESERVE, GRACE = 5.0, 15.0
# Below so many seconds no part is begun; after so many without a word from it, it is taken to hang.
LEAST, SILENCE, SILENCE_OF_A_COMPILER = 3.0, 100.0, 200.0
COMPILERS = 3
# How often a part that broke is begun again, behind what it broke at.
ATTEMPTS = 4
BROKEN = "broke"
# What containers set, and what would round the products that the checks compare.
DROPPED = ("TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "NVIDIA_TF32_OVERRIDE")


@dataclass(frozen=True)
class Part:
    """One process: its name on the page, what it runs, its share of the minutes, its options, seconds of silence."""

    name: str
    function: str
    share: float
    options: dict[str, Any]
    silence: float = SILENCE


def parts(size: str) -> list[Part]:
    """The parts in order, with shares of the time."""
    few, some, many = _gpu_plan.ROWS[size]
    return [
        Part("machine", "_gpu_machine", 0.07, {}),
        Part("checks", "checks", 0.20, {}),
        Part("extraction", "_gpu_extraction", 0.38, {}, SILENCE_OF_A_COMPILER),
        Part("JPEG files", "_gpu_jpegs", 0.06, {}),
        Part(f"{few:,} rows", "_gpu_families", 0.07, {"rows": few}),
        Part(f"{some:,} rows", "_gpu_families", 0.10, {"rows": some}),
        Part(f"{many:,} rows", "_gpu_families", 0.14, {"rows": many}),
    ]


class Run:
    """The records so far, the page that is written after each, and the processes that run."""

    def __init__(self, args: argparse.Namespace, gpu: str):
        self.args, self.end = args, START + 60 * args.minutes - RESERVE
        command = shlex.join(["python", "benchmarks/gpu.py", *_public(sys.argv[1:])])
        planned = [part.name for part in parts(args.size)]
        self.data: dict[str, Any] = {"command": command, "size": args.size, "device": args.device, "planned": planned}
        self.data |= {"gpu": gpu, "state": {}, "breaks": [], "records": []}
        self.cache = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.compiling: list[subprocess.Popen[str]] = []
        self.running: subprocess.Popen[str] | None = None

    def all(self) -> None:
        """Run the parts, each with its share of what is left."""
        todo = [part for part in parts(self.args.size) if part.name in (self.args.parts or [part.name]) + ["machine"]]
        self._plan(todo)
        # Beside the checks alone: what is measured would be slower.
        compiled = {"checks", "extraction"} <= {part.name for part in todo}
        while todo:
            part = todo.pop(0)
            left = self.end - time.monotonic()
            seconds = left * part.share / (part.share + sum(each.share for each in todo))
            begin = time.monotonic()
            self._part(part, seconds, left)
            if part.name == "checks":
                self._stop_compiling(begin + seconds)
            if part.name == "machine" and compiled and self.data["state"][part.name] == "done":
                self._compile()

    def _plan(self, todo: list[Part]) -> None:
        total, budget = sum(part.share for part in todo), self.end - time.monotonic()
        for part in todo:
            print(f"{part.name}: {budget * part.share / total:.0f} s", flush=True)

    def _part(self, part: Part, seconds: float, left: float) -> None:
        if left < LEAST:
            self.data["state"][part.name] = "not measured: the time was over"
            return
        end, begun = time.monotonic() + min(left, seconds + GRACE), [None]
        for _ in range(ATTEMPTS):
            before = len(begun)
            state = self._attempt(part, end, begun)
            self.data["state"][part.name] = state
            self.write()
            if state != BROKEN or len(begun) == before:
                break
        print(f"{part.name}: {self.data['state'][part.name]}", flush=True)

    def _attempt(self, part: Part, end: float, begun: list[str | None]) -> str:
        """Run a part but for what was begun before; how it ended."""
        start = time.monotonic()
        seconds = max(0.7 * (end - start), end - start - GRACE)
        options = {**self._common(seconds), **part.options, "skip": begun[1:]}
        options["before"] = self._estimates(part.options.get("rows"))
        self.data["state"][part.name] = "stopped while it ran"
        self.running, reason = self._started(part.function, options), ""
        for record in _records(self.running, end, part.silence):
            if "begin" in record:
                begun.append(record["begin"])
            elif "broke" in record:
                reason = record["broke"]
            else:
                self._add(part.name, record)
        status, self.running = self.running.returncode, None
        if status == 0:
            return "done"
        if time.monotonic() >= end:
            return f"ended after its {end - start:.0f} s, at {begun[-1] or 'its start'}"
        where = f"{part.name}, {begun[-1] or 'at its start'}"
        silent = f"no word for {part.silence:.0f} s" if status == -signal.SIGKILL else f"status {status}"
        self.data["breaks"].append(f"{where}: it broke: {reason or silent}")
        return BROKEN

    def _add(self, name: str, record: dict[str, Any]) -> None:
        self.data["records"].append({"part": name, **record})
        print(_gpu_page.line(record), flush=True)
        self.write()

    def _common(self, seconds: float) -> dict[str, Any]:
        threads = len(os.sched_getaffinity(0))
        return {"device": self.args.device, "size": self.args.size, "seconds": seconds, "threads": threads}

    def _estimates(self, rows: int | None) -> dict[str, float]:
        """Seconds that each family will take on so many rows, if they grow with the rows."""
        done = [r for r in self.data["records"] if rows and r.get("way") == "engine" and r["n"] < rows]
        return {r["family"]: min(r["rounds"]) * rows / r["n"] for r in done if rows}

    def _started(self, function: str, options: dict[str, Any], nice: int = 0, out: Any = None) -> subprocess.Popen[str]:
        environment = _environment() | {"TORCHINDUCTOR_CACHE_DIR": self.cache.name, "PYTHONUNBUFFERED": "1"}
        command = [*(["nice", "-n", str(nice)] if nice else []), sys.executable, str(HERE / "_gpu_part.py")]
        return subprocess.Popen(
            [*command, function, json.dumps(options)],
            **{"stdin": subprocess.PIPE, "stdout": out or subprocess.PIPE, "text": True, "env": environment},
            start_new_session=True,
        )

    def _compile(self) -> None:
        """Begin to compile the networks, in a few processes beside the checks."""
        lacking = _gpu_page.about(self.data)["lacking"]
        jobs = [] if lacking else _gpu_plan.to_compile(self.args.device, self.args.size)
        for number in range(min(COMPILERS, len(jobs)) if self.args.device != "cpu" else 0):
            options = {**self._common(600), "skip": [], "networks": jobs[number::COMPILERS]}
            with self._log(number).open("w", encoding="utf-8") as file:
                self.compiling.append(self._started("_gpu_extraction:warm", options, nice=5, out=file))

    def _log(self, number: int) -> Path:
        return Path(self.cache.name) / f"compiling-{number}.log"

    def _stop_compiling(self, end: float) -> None:
        """Wait for the first network of each process, and end it: from here on it would disturb.

        What is in the cache on disk stays there.
        """
        logs = [self._log(number) for number in range(len(self.compiling))]
        while time.monotonic() < end and not all(_first_done(*each) for each in zip(self.compiling, logs, strict=True)):
            time.sleep(0.5)
        for number, process in enumerate(self.compiling):
            kill(process)
            for line in self._log(number).read_text(encoding="utf-8", errors="replace").splitlines():
                if line.startswith(MARK):
                    self._add("checks", json.loads(line.removeprefix(MARK)))
        self.compiling = []

    def stop(self) -> None:
        """End the processes and write the page."""
        for process in (*self.compiling, *([self.running] if self.running else [])):
            kill(process)
        self.write()
        self.cache.cleanup()

    def write(self) -> None:
        """Write the page and the rounds, each whole or not at all."""
        self.args.output.mkdir(parents=True, exist_ok=True)
        name = _gpu_page.name(self.data)
        for ending, text in ((".md", _gpu_page.page(self.data)), (".json", json.dumps(self.data, indent=1) + "\n")):
            part = self.args.output / f".{name}{ending}.part"
            part.write_text(text, encoding="utf-8")
            part.replace(self.args.output / f"{name}{ending}")


def _records(process: subprocess.Popen[str], end: float, silence: float) -> Iterator[dict[str, Any]]:
    """The records of a process until it ends, which it has to before `end`, and without long silence."""
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        for line in process.stdout or ():
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    heard = time.monotonic()
    while time.monotonic() < min(end, heard + silence):
        try:
            line = lines.get(timeout=1.0)
        except queue.Empty:
            if process.poll() is not None:  # what it started may hold the pipe open
                break
            continue
        heard = time.monotonic()
        if line is None:
            process.wait()
            return
        if line.startswith(MARK):
            yield json.loads(line.removeprefix(MARK))
        else:
            print(line, end="", flush=True)
    kill(process)


def _first_done(process: subprocess.Popen[str], log: Path) -> bool:
    """Whether a process that compiles has ended, or has a network behind it."""
    return process.poll() is not None or MARK in log.read_text(encoding="utf-8", errors="replace")


def kill(process: subprocess.Popen[str]) -> None:
    """End a process and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _public(words: list[str]) -> list[str]:
    """The words of the command line; where it wrote its page is nobody's business."""
    hidden = ["FOLDER" if before == "--output" else word for before, word in zip(["", *words], words, strict=False)]
    return ["--output=FOLDER" if word.startswith("--output=") else word for word in hidden]


def _environment() -> dict[str, str]:
    """The environment of a part: the engine can be imported, there is one GPU, and nothing rounds its products."""
    environment = {key: value for key, value in os.environ.items() if key not in DROPPED}
    paths = [str(HERE.parent / "workflow"), environment.get("PYTHONPATH", "")]
    visible = environment.get("CUDA_VISIBLE_DEVICES", "0").split(",")
    return environment | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "CUDA_VISIBLE_DEVICES": visible[0]}


def _gpu() -> tuple[str, str]:
    """The name of the GPU, and why there is none; asked in a process that then ends."""
    program = (
        "import torch\n"
        "print(torch.cuda.get_device_name() if torch.cuda.is_available() else '')\nprint(torch.__version__)"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment())
    if done.returncode:
        return "", f"PyTorch cannot be imported: {(done.stderr.strip().splitlines() or ['no word'])[-1]}"
    name, version = done.stdout.splitlines()[-2:]
    return name, "" if name else f"PyTorch {version} sees no CUDA device"


def _arguments() -> argparse.Namespace:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter, allow_abbrev=False)
    parser.add_argument("--minutes", type=float, default=8.0, help="all of it, at most (default 8)")
    parser.add_argument("--device", default="cuda", help="cuda (default), or cpu for a trial")
    parser.add_argument("--small", dest="size", action="store_const", const="small", default="full", help="small sizes")
    parser.add_argument("--tiny", dest="size", action="store_const", const="tiny", help="the least, for the tests")
    parser.add_argument("--parts", nargs="+", metavar="PART", help="these parts alone, as the plan names them")
    parser.add_argument("--output", type=Path, help="folder of the page (default benchmarks/results; of a trial: none)")
    args = parser.parse_args()
    if args.device == "cpu" and (args.output is None or args.output.resolve() == RESULTS):
        parser.error("--device cpu is a trial: give --output FOLDER, another one than benchmarks/results")
    args.output = args.output or RESULTS
    names = [part.name for part in parts(args.size)]
    if args.parts and not set(args.parts) <= set(names):
        parser.error(f"--parts: received {', '.join(args.parts)}; allowed: {', '.join(names)}")
    return args


def main() -> None:
    args = _arguments()
    gpu, problem = ("", "") if args.device == "cpu" else _gpu()
    if problem:
        print(f"{problem}; to try this on a CPU: --device cpu --small --output FOLDER", file=sys.stderr)
        sys.exit(2)
    run = Run(args, gpu)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    status = 130
    try:
        run.all()
        status = 0
    except KeyboardInterrupt:
        pass
    finally:
        run.stop()
        print(f"{args.output / _gpu_page.name(run.data)}.md", flush=True)
        wrong = _gpu_page.wrong(run.data)
        print(*(f"wrong: {reason}" for reason in wrong), sep="\n", end="\n" if wrong else "", flush=True)
    sys.exit(status or int(bool(wrong)))


if __name__ == "__main__":
    main()
