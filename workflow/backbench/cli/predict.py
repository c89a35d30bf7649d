"""``backbench predict``: class, cluster and nearest known images of new images."""

import argparse
import contextlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from backbench import organising, paths
from backbench.cli._progress import Progress
from backbench.evaluate import chosen
from backbench.files import make_folder, replacing, write_bytes
from backbench.inference import fitting, gathering, grids, tables
from backbench.inference.gathering import Gathered
from backbench.inference.known import Known
from backbench.inference.model import NEIGHBOURS, Model
from backbench.inference.predicting import Prediction, Predictor
from backbench.inference.tables import Shown
from backbench.pictures.source import Source
from backbench.schema import ConfigError, refuse
from backbench.store import Store
from backbench.sweeping.describing import say
from backbench.wording import brief, counted, listed

if TYPE_CHECKING:
    import numpy as np

INTERRUPTED = 130
SHOWN, REASONS = 6, 3
# Fewer training images than that say little of what is unlike them.
FEW = 100


@dataclass
class _Tally:
    """What was said, counted, and a sample of it: predictions, names, and thumbnails (h, w, ...) uint8."""

    read: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    unlike: int = 0
    unread: list[tuple[str, str]] = field(default_factory=list)
    unread_count: int = 0
    sample: "list[tuple[Prediction, str, np.ndarray]]" = field(default_factory=list)

    def add(self, prediction: Prediction, name: str) -> None:
        """Count one."""
        if prediction.reason:
            self.unread_count += 1
            if len(self.unread) < REASONS:
                self.unread.append((name, prediction.reason))
            return
        self.read += 1
        self.unlike += bool(prediction.unlike)
        if prediction.label is not None:
            self.classes[prediction.label] += 1

    def text(self, seconds: float) -> str:
        """One line about all."""
        kinds = [f"{count:,} {brief(label, 24)}" for label, count in self.classes.most_common()]
        parts = [counted(self.read, "image") + (f" ({listed(kinds, SHOWN)})" if kinds else "")]
        parts += [f"{self.unlike:,} unlike anything seen", f"{self.unread_count:,} unreadable"]
        return f"{', '.join(parts)}; {seconds:.1f} s, {self.read / max(seconds, 1e-9):.1f} images a second"


def run(args: argparse.Namespace) -> int:
    outputs = _outputs(args)
    store = Store(paths.store())
    with gathering.gathered([Path(place) for place in args.paths], _root(args.root)) as files:
        source = Source(chosen.finished(args.hash, store), store)
        model = fitting.fit(source, say)
        job = _Job(
            Shown(model, args.neighbours, args.scores, organising.names(model.run)), Known(source), files, outputs
        )
        _announce(job)
        try:
            job.work()
        except KeyboardInterrupt:
            say(f"interrupted: {job.text()}")
            return INTERRUPTED
        job.draw()
    for name, reason in job.tally.unread:
        say(f"not read: {brief(name, 80)}: {reason}")
    if job.tally.unread_count > len(job.tally.unread):
        say(f"not read: {job.tally.unread_count - len(job.tally.unread):,} more")
    say(job.text())
    if hint := _rough(model):
        say(hint)
    return 0 if job.tally.read else 1


def _rough(model: Model) -> str:
    """That little can be said of what is unlike, where few training images were measured; else empty."""
    measured = model.about[NEIGHBOURS]["measured"] if model.does(NEIGHBOURS) else FEW
    if measured >= FEW:
        return ""
    return f"what is unlike anything seen is judged by {counted(measured, 'training image')} alone: take it as a hint"


@dataclass(frozen=True)
class _Outputs:
    """The format, and where to: None for the terminal, and for no grid."""

    format: str
    to: Path | None
    grid: Path | None


@dataclass
class _Job:
    """The predictions of all files, written one by one."""

    shown: Shown
    known: Known
    files: Gathered
    outputs: _Outputs
    tally: _Tally = field(default_factory=_Tally)
    progress: Progress | None = None

    def work(self) -> None:
        """Predict and write."""
        widest = max(map(len, self.files.names), default=0)
        writer = tables.writer(self.outputs.format, self.shown, widest)
        sampled = grids.places(len(self.files)) if self.outputs.grid is not None else set()
        predictor = Predictor(self.shown.model, self.known, self.shown.count)
        head = writer.head()
        self.progress = Progress(len(self.files), quiet=self.outputs.to is None and sys.stdout.isatty())
        try:
            with _writing(self.outputs.to) as write:
                write(head)
                for place, prediction in enumerate(predictor.files(self.files.files)):
                    name = self.files.names[place]
                    write(writer.line(prediction, name))
                    self.tally.add(prediction, name)
                    if place in sampled and not prediction.reason:
                        self._sample(prediction, name)
                    self.progress.step()
        finally:
            self.progress.close()

    def draw(self) -> None:
        """Draw the sample, if a picture is asked for."""
        if self.outputs.grid is None:
            return
        if not self.tally.sample:
            say("no grid: none of the sampled files could be read")
            return
        from backbench.plots import _files

        picture = grids.draw(self.tally.sample, self.shown, self.known, self.tally.read)
        write_bytes(self.outputs.grid, _files.png(picture))

    def text(self) -> str:
        """The summary."""
        return self.tally.text(self.progress.seconds if self.progress else 0.0)

    def _sample(self, prediction: Prediction, name: str) -> None:
        image = grids.thumbnail(prediction.path, self.shown)
        if image is not None:
            self.tally.sample.append((prediction, name, image))


def _announce(job: _Job) -> None:
    """Say what was passed over, and what the run does not say of new images."""
    if job.files.passed_over:
        say(gathering.summary(job.files.passed_over))
    stages = job.known.source.row.run.stages
    for task, reason in job.shown.model.about["lacks"].items():
        if task in stages or task == NEIGHBOURS:
            say(f"no {task} of new images: {reason}")


def _outputs(args: argparse.Namespace) -> _Outputs:
    """The outputs, checked before anything is computed.

    Raises
    ------
    ConfigError
        If a file cannot be written there, or its format is not clear.
    """
    to = None if args.to is None else Path(args.to).expanduser()
    grid = None if args.grid is None else Path(args.grid).expanduser()
    if grid is not None and grid.suffix.lower() != ".png":
        raise refuse("--grid", str(grid), "a name that ends in .png")
    for option, path in (("--to", to), ("--grid", grid)):
        if path is not None and path.is_dir():
            raise ConfigError(f"{option}: {path} is a folder; name a file in it.")
    by_ending = {f".{format}": format for format in tables.FORMATS} | {".json": tables.JSONL, ".ndjson": tables.JSONL}
    ending = by_ending.get(to.suffix.lower(), tables.TABLE) if to is not None else tables.TABLE
    return _Outputs(args.format or ending, to, grid)


def _root(word: str | None) -> Path | None:
    """The folder of ``--root``.

    Raises
    ------
    ConfigError
        If there is none.
    """
    root = None if word is None else Path(word).expanduser()
    if root is not None and not root.is_dir():
        raise ConfigError(f"--root: {root} is not a folder; give the one where the paths of the CSV begin.")
    return root


@contextlib.contextmanager
def _writing(to: Path | None) -> Iterator[Callable[[str], None]]:
    """The function that writes text: to the terminal, or to a file that appears once it is whole."""
    if to is None:
        terminal = sys.stdout.isatty()

        def print_text(text: str) -> None:
            print(text.encode("utf-8", "surrogateescape").decode("utf-8", "replace"), end="", flush=terminal)

        yield print_text
        sys.stdout.flush()
        return
    make_folder(to.parent)
    with replacing(to.parent) as (handle, commit):
        yield lambda text: handle.write(text.encode("utf-8", "surrogateescape"))
        commit(to)
