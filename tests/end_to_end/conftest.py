"""What the end-to-end tests share: real sweeps over real images, through the command line, each in a folder of its own.

A copy of the checkout does the work, so that neither the working tree nor the results of its owner are touched.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from sharing import once
from workbench import GRID, Bench, Finished, copy_checkout, copy_results, end_all

from backbench import paths, plugins
from backbench.datasets import fashion_mnist
from backbench.stage import Context


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of fetched originals, with Fashion-MNIST in it."""
    once(tmp_path_factory, "images", _fetch)
    return paths.downloads()


def _fetch(folder: Path) -> None:
    conf = yaml.safe_load((paths.conf() / "dataset" / "fashion_mnist.yaml").read_text())
    params = plugins.params("dataset", conf | {"sample": 300})
    fashion_mnist.load(params, Context(threads=1, downloads=paths.downloads()))


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout that no test may edit."""
    folder, _ = once(tmp_path_factory, "checkout", lambda folder: str(copy_checkout(folder / "checkout")))
    return folder / "checkout"


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, checkout: Path, images: Path) -> Finished:
    """`GRID`, swept once. Tests read it; those that write take `bench`, a copy."""

    def sweep(folder: Path) -> None:
        Bench(checkout, folder / "results").run("sweep", *GRID, check=0)

    folder, _ = once(tmp_path_factory, "finished", sweep)
    return Finished(Bench(checkout, folder / "results"))


@pytest.fixture
def bench(finished: Finished, tmp_path: Path) -> Iterator[Bench]:
    """A copy of the finished sweep."""
    yield Bench(finished.bench.checkout, copy_results(finished.bench.results, tmp_path / "results"))
    end_all(tmp_path / "results")


@pytest.fixture
def empty(checkout: Path, images: Path, tmp_path: Path) -> Iterator[Bench]:
    """A bench without results."""
    yield Bench(checkout, tmp_path / "empty")
    end_all(tmp_path / "empty")


@pytest.fixture
def editable(bench: Bench, tmp_path: Path) -> Bench:
    """A copy of the finished sweep with a checkout of its own, for tests that edit code."""
    return Bench(copy_checkout(tmp_path / "checkout", bench.checkout), bench.results)
