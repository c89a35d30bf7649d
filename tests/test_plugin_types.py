"""What mypy says of every plugin as the type that it claims to be, by the project's own settings.

One run for all of them: it takes seconds, even with the cache that `make lint` leaves.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from backbench import classifiers, clusterers, paths, plugins, transforms
from backbench.backbones import _contract
from backbench.backbones._contract import Given, Joining, Learner

ROOMS = {
    "clusterer": (clusterers, "Clusterer"),
    "classifier": (classifiers, "Classifier"),
    "transform": (transforms, "Transform"),
}
OPTIONAL = {"neighbours": "plugins.Searching", "way": "plugins.Varied", "seconds": "{room}.Timed"}
HEAD = [
    "from backbench import backbones, classifiers, clusterers, datasets, plugins, transforms",
    "from backbench.backbones import _contract",
    "from backbench.datasets import _idx",
]
# Each is refused, which shows that the others are checked.
WRONG = [
    "wrong_backbone: _contract.Learner[backbone_pixels.Params] = backbone_pixels",
    "wrong_dataset: datasets.Plugin = _idx",
    "wrong_fit: classifiers.Classifier = clusterer_kmeans",
]


def errors(folder: Path, lines: Sequence[str]) -> list[str]:
    """The errors of a module of these lines, each ``claims.py:LINE: error: ...``."""
    source = folder / "claims.py"
    source.write_text("\n".join(lines) + "\n")
    root = paths.CHECKOUT
    options = ["--config-file", str(root / "pyproject.toml"), "--cache-dir", str(root / ".mypy_cache")]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, str(source)],
        capture_output=True,
        text=True,
        env={**os.environ, "MYPYPATH": str(root / "workflow")},
        cwd=root,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return [Path(line).name for line in done.stdout.splitlines() if ": error: " in line]


def of_backbone(name: str) -> list[str]:
    """Lines that assign a backbone to the protocol that it belongs to."""
    module = _contract.load(name)
    kinds = (("Given", Given), ("Learner", Learner), ("Joining", Joining))
    kind = next((name for name, contract in kinds if isinstance(module, contract)), "Frozen")
    called = f"backbone_{name}"
    return [
        f"from backbench.backbones import {name} as {called}",
        f"_{called}: _contract.{kind}[{called}.Params] = {called}",
    ]


def of_dataset(name: str) -> list[str]:
    """Lines that assign a dataset to its contract."""
    called = f"dataset_{name}"
    return [f"from backbench.datasets import {name} as {called}", f"_{called}: datasets.Plugin = {called}"]


def of_fit(kind: str, name: str) -> list[str]:
    """Lines that assign a plugin to its contract, and to the types of the parts that it has beside."""
    room, contract = ROOMS[kind]
    folder = room.__name__.rpartition(".")[2]
    module = plugins.load(kind, name)
    types = [f"{folder}.{contract}", *(OPTIONAL[key].format(room=folder) for key in OPTIONAL if hasattr(module, key))]
    called = f"{kind}_{name}"
    lines = [f"_{called}_{number}: {each} = {called}" for number, each in enumerate(types)]
    return [f"from {room.__name__} import {name} as {called}", *lines]


@pytest.mark.slow
def test_the_type_checker_holds_every_plugin_to_its_contract(tmp_path):
    claims = [of_backbone(name) for name in plugins.names("backbone")]
    claims += [of_dataset(name) for name in plugins.names("dataset")]
    claims += [of_fit(kind, name) for kind in ROOMS for name in plugins.names(kind)]
    lines = [*HEAD, *(line for claim in claims for line in claim)]
    refused = errors(tmp_path, [*lines, *WRONG])
    assert [error.split(": ")[0] for error in refused] == [f"claims.py:{len(lines) + number}" for number in (1, 2, 3)]
    assert all("Incompatible types" in error for error in refused)
