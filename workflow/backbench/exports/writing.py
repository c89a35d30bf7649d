"""The export of a run: every file that its results allow, and why others are not there."""

import contextlib
import json
import logging
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backbench import hashing, machine, paths, threads
from backbench.engine.results.joined_run import Row
from backbench.exports import _pictures, _readme, _record, _reports, _tables, backbone, pipeline
from backbench.exports._folder import Folder
from backbench.exports.tools import writing as tools
from backbench.inference import equals, skops_files
from backbench.pictures import _heads
from backbench.pictures.source import Source
from backbench.schema import ConfigError
from backbench.store import DONE, Store

log = logging.getLogger(__name__)

SAFE, PICKLED = "classifier.skops", "classifier.joblib"


def write(
    row: Row,
    store: Store,
    folder: Path,
    joblib: bool = False,
    progress: Callable[[str], None] | None = None,
    tools_for: Sequence[str] = (),
    onnx: bool = False,
) -> list[Path]:
    """Write the artefacts of a run into `folder`; returns the files, `final_report.json` last.

    Files of an earlier export that are no longer part of it are removed (first, if it is one of another run), others
    are left alone. With `joblib`, the classifier is written as a pickle too. Where the pipeline does not give the
    stored predictions, a warning says so.

    Raises
    ------
    ConfigError
        If the features of the run are not computed, or a package that `onnx` needs is not installed.
    StoreError
        If the store has lost a result of the run.
    """
    source = Source(row, store)
    _refuse(source)
    if onnx:
        backbone.require()
    export = _Export(source, Folder(folder), progress or (lambda text: None))
    earlier = report(export.folder.root)
    if earlier.get("config_hash", row.config_hash) != row.config_hash:
        _remove(export.folder.root, [*earlier.get("files", {}), _record.REPORT])
    about = export.all(joblib)
    if onnx:
        export.network()
    export.for_tools(tools_for)
    _remove(export.folder.root, set(earlier.get("files", {})) - {*export.folder.written, _readme.NAME})
    return export.finish(about)


def default_folder(row: Row) -> Path:
    """Where the export of a run goes that is given no folder."""
    return paths.results() / "exports" / hashing.short(row.config_hash)


def report(folder: Path) -> dict[str, Any]:
    """What the report of an export says; empty where there is none."""
    try:
        content = json.loads((folder / _record.REPORT).read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def opening(folder: Path) -> list[str]:
    """Lines that say how the tools are started on what an export in `folder` has for them."""
    place = shlex.quote(str(folder))
    by_tool = report(folder).get("open_with", {})
    return [f"open with {name}: cd {place} && {command}" for name, each in by_tool.items() for command in each]


@dataclass
class _Export:
    """An export at work; `left_out` says why a file is not there."""

    source: Source
    folder: Folder
    say: Callable[[str], None]
    left_out: dict[str, str] = field(default_factory=dict)
    opened: dict[str, tools.Opened] = field(default_factory=dict)
    network_about: dict[str, Any] | None = None

    def all(self, joblib: bool) -> dict[str, Any] | None:
        """Everything but the last two files; returns what there is to say of the classifier."""
        self.say("features")
        _tables.features(self.source, self.folder)
        self._unless(_heads.missing(self.source, "clustering"), _tables.CLUSTERS, _tables.clusters)
        about = self._classification(joblib)
        self.left_out |= _pictures.write(self.source, self.folder, machine.cores(), self.say)
        return about

    def finish(self, about: Mapping[str, Any] | None) -> list[Path]:
        """The page and the report, which has the digests of all others."""
        written = [*self.folder.written, _readme.NAME, _record.REPORT]
        listed = [name for name in written if name != _readme.NAME and "/" not in name]
        more = _readme.More(self.network_about, self.opened)
        self.folder.text(_readme.NAME, _readme.text(self.source, listed, self.left_out, about, more))
        self.folder.text(
            _record.REPORT,
            _record.report(self.source, self.folder, self.left_out, about, self._more()),
        )
        return self.folder.paths()

    def _more(self) -> dict[str, Any]:
        """What the report says of what was asked for besides."""
        network, more = self.network_about, dict[str, Any]()
        if network:
            more["onnx"] = {name: network[name] for name in ("file", "agreement")}
        if self.opened:
            more["open_with"] = {name: tool.commands("") for name, tool in self.opened.items()}
        return more

    def network(self) -> None:
        """The backbone as ONNX, measured with the classifier as it was exported."""
        self.say("backbone as ONNX")
        path = self.folder.root / SAFE
        model = skops_files.load(path) if SAFE in self.folder.written else None
        try:
            self.network_about = backbone.write(self.source, self.folder, model and model.predict)
        except backbone.NoModel as error:
            self.left_out[backbone.MODEL] = str(error)

    def for_tools(self, names: Sequence[str]) -> None:
        """Tables that other tools open, after the pictures, which make the positions in the plane."""
        self.opened, left_out = tools.write(self.source, self.folder, names, self.say)
        self.left_out |= left_out

    def _classification(self, joblib: bool) -> dict[str, Any] | None:
        lacks = _heads.missing(self.source, "classification")
        self._unless(lacks, _tables.PREDICTIONS, _tables.predictions)
        self._unless(_heads.unclassified(self.source), _reports.TEXT, _reports.write)
        if lacks:
            self.left_out[SAFE] = lacks
            return None
        self.say("classifier: fitted again on the training images")
        try:
            with threads.one_core_each(machine.cores()):
                return self._classifier(joblib)
        except (equals.NoEqual, skops_files.Unsafe, ConfigError) as error:
            self.left_out[SAFE] = str(error)
            return None

    def _classifier(self, joblib: bool) -> dict[str, Any]:
        """The pipeline, loaded from its own file before it is asked; returns what `classifier.json` says."""
        fitted = pipeline.fit(self.source)
        with self.folder.new(SAFE) as path:
            trusted = skops_files.save(fitted, path)
            agreement = pipeline.agreement(skops_files.load(path), self.source)
            about = _record.classifier(self.source, fitted.steps, agreement, trusted)
        if any(part["differs"] for part in agreement.values()):
            log.warning("%s: %s", SAFE, _readme.agreement(agreement))
        self.folder.text(_record.CLASSIFIER, _record.dumps(about))
        if joblib:
            self._pickle(fitted)
        return about

    def _pickle(self, fitted: Any) -> None:
        import joblib

        with self.folder.new(PICKLED) as path:
            joblib.dump(fitted, path)
        log.warning("%s is a pickle: loading it runs code that is in it; %s is safe to pass on", PICKLED, SAFE)

    def _unless(self, lacks: str | None, name: str, make: Callable[[Source, Folder], None]) -> None:
        """Make a file unless the run lacks what it needs."""
        if lacks:
            self.left_out[name] = lacks
        else:
            make(self.source, self.folder)


def _refuse(source: Source) -> None:
    """Without features there is nothing to export."""
    row = source.row
    record = row.records.get(row.stages["features"])
    if record is None or record["status"] != DONE:
        why = f" ({record['reason']})" if record else ""
        run = hashing.short(row.config_hash)
        raise ConfigError(f"{run}: its features are not computed{why}; `backbench sweep` with its options does it.")


def _remove(folder: Path, names: Iterable[str]) -> None:
    """Remove files of an earlier export, as its report names them; nothing outside the folder and those of tools."""
    for name in names:
        tool, _, file = name.rpartition("/")
        if Path(file).name == file and tool in ("", *tools.NAMES):
            (folder / name).unlink(missing_ok=True)
            if tool:
                with contextlib.suppress(OSError):
                    (folder / tool).rmdir()
