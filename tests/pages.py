"""A small sweep for the tests of the page, its classes named by hostile texts."""

import shutil
from pathlib import Path

import pytest
from sweeping import HOSTILE, collection, computed

from backbench import paths
from backbench.engine.results import ledger
from backbench.store import Store

GRID = (
    *("experiment=none", "backbone=pixels", "backbone.image.size=6,8", "clusterer=kmeans", "k=3"),
    *("classifier=lda,nearest_centroid",),
)


def swept(folder: Path) -> str:
    """A results folder with a finished sweep of four runs over sixty pictures in four classes, two of them equal."""
    with pytest.MonkeyPatch().context() as patch:
        patch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
        overrides = collection(folder / "photos", HOSTILE, 15)
        shutil.copyfile(folder / "photos" / "4.png", folder / "photos" / "8.png")
        plan = computed(*GRID, *overrides)
        ledger.join(plan, ledger.read_records(plan, Store(paths.store())))
    return str(folder / "results")
