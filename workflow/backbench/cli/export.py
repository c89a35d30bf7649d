"""``backbench export``: the files of one run in a folder, for use elsewhere."""

import argparse
from pathlib import Path

from backbench import exports, hashing, paths
from backbench.cli import _mlflow_model
from backbench.cli.show import find
from backbench.engine.results import ledger
from backbench.engine.results.joined_run import Row
from backbench.exports import writing
from backbench.pictures.source import Source
from backbench.schema import ConfigError
from backbench.store import Store
from backbench.sweeping.describing import say


def run(args: argparse.Namespace) -> int:
    store = Store(paths.store())
    with_model = _mlflow_model.asked(args)
    row = find(args.hash, ledger.all_rows(store))
    folder = _folder(args.to, row)
    source = Source(row, store)
    model = _mlflow_model.fitted(source) if with_model else None
    for path in exports.write(row, store, folder, args.joblib, say, args.tools, args.onnx):
        print(path)
    for name, reason in writing.report(folder)["not_exported"].items():
        say(f"{name} was not exported: {reason}")
    for line in writing.opening(folder):
        say(line)
    return 0 if model is None else _mlflow_model.write(args, source, model, folder)


def _folder(to: str | None, row: Row) -> Path:
    """The folder to write to.

    Raises
    ------
    ConfigError
        If it is a file, or contains the export of another run.
    """
    if to is None:
        return writing.default_folder(row)
    folder = Path(to).expanduser()
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"--to: {folder} is a file; name a folder.")
    other = writing.report(folder).get("config_hash", row.config_hash)
    if other != row.config_hash:
        raise ConfigError(f"--to: {folder} contains the export of run {hashing.short(other)}; name another folder.")
    return folder
