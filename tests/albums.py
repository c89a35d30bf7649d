"""A small collection with equal file names in its folders, swept once for the tests of a file."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sweeping import computed

from backbench import paths
from backbench.engine.results import ledger
from backbench.pictures.source import Source
from backbench.store import Store

COLOURS = ((200, 40, 40), (40, 200, 40), (40, 40, 200))
GRID = ("experiment=none", "backbone=pixels", "backbone.image.size=8", "retrieval=none", "k=3")


def paint(root: Path) -> None:
    """Thirty images in two folders that have the same file names; the number of an image says its colour."""
    rng = np.random.default_rng(0)
    for folder in ("cat", "dog"):
        (root / folder).mkdir(parents=True)
        for number in range(15):
            pixels = np.clip(np.array(COLOURS[number % 3]) + rng.integers(-30, 31, (8, 8, 3)), 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(root / folder / f"{number:02}.png")


def sweep(folder: Path, *overrides: str) -> str:
    """Paint and sweep the collection below `folder`; returns the config hash of the run."""
    paint(folder / "original")
    shutil.copytree(folder / "original", folder / "photos")
    with pytest.MonkeyPatch().context() as patch:
        patch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
        given = (
            f"dataset.root={folder / 'photos'}",
            "dataset=folder",
            "clusterer=kmeans",
            "classifier=knn",
            *overrides,
        )
        plan = computed(*GRID, *given)
        ledger.join(plan, ledger.read_records(plan, Store(paths.store())))
        return ledger.all_rows(Store(paths.store()))[0].config_hash


def again(folder: Path) -> Path:
    """The photographs as they were swept."""
    shutil.rmtree(folder / "photos", ignore_errors=True)
    shutil.copytree(folder / "original", folder / "photos")
    return folder / "photos"


def source_of(run: str) -> Source:
    store = Store(paths.store())
    return Source(next(row for row in ledger.all_rows(store) if row.config_hash == run), store)


def tree(root: Path) -> dict[str, bytes | None]:
    """Every file with its bytes, every folder without."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes() if path.is_file() else None for path in root.rglob("*")
    }
