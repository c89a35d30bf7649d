"""The index of a space of known images: what finds the nearest of them, opened at once and kept.

Up to `EXACT` rows the stored matrix itself is the index, and the search is exact. Above, inverted lists are made once
(see ``inverted``) and kept in the cache of the results folder: a faiss file beside its record, under a digest of the
matrix, the metric, the code and faiss's version. A damaged file counts as absent and is made again; of several
processes one makes it while the others wait.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbench import derived, files, machine, provenance, threads
from backbench.derived import Content, Derived
from backbench.inference import exact, inverted

if TYPE_CHECKING:
    import numpy as np

    from backbench.metrics.neighbours import Metric

log = logging.getLogger(__name__)

# Rows up to which every one of them is compared, the recall that is aimed for, and the queries that it is measured on.
EXACT, WANTED, SAMPLE = 100_000, 0.98, 1000
FORMAT = 1
CONFIDENT = 1.96


@dataclass(frozen=True)
class Index:
    """What finds the nearest rows; `facts` are those of the inverted lists (see ``inverted.tuned``), if it has any."""

    rows: "np.ndarray"
    search: "exact.Exact | inverted.Lists"
    facts: Mapping[str, Any] = field(default_factory=dict)

    def nearest(
        self, queries: "np.ndarray", count: int, excluded: "np.ndarray | None" = None
    ) -> "tuple[np.ndarray, np.ndarray]":
        """Row numbers and distances (q, count) of the nearest rows of queries (q, d), nearest first.

        `excluded` (q,) is the row that each query is itself, which is left out, or -1.

        Raises
        ------
        ValueError
            If there are not so many rows.
        """
        limit = len(self.rows) - (excluded is not None)
        if not 1 <= count <= limit:
            raise ValueError(f"{count} neighbours are asked for; there are {limit} rows to choose from")
        return self.search.nearest(queries, count, excluded)

    @property
    def sentence(self) -> str:
        """What is searched, and how well, such as ``exact over 8,677 images``."""
        if not self.facts:
            return f"exact over {len(self.rows):,} images"
        half = CONFIDENT * self.facts["recall_se"]
        return (
            f"approximate over {len(self.rows):,} images: {self.facts['nprobe']:,} of {self.facts['nlist']:,} inverted "
            f"lists are looked into, recall@{self.facts['at']} {self.facts['recall']:.3f} ± {half:.3f}, measured on "
            f"{self.facts['measured']:,} images"
        )


def opened(
    rows: "np.ndarray",
    metric: "Metric",
    digest: str,
    say: Callable[[str], None] = lambda text: None,
    exact_up_to: int = EXACT,
) -> Index:
    """The index of rows (n, d); a large matrix's is made at the first call, and opened afterwards.

    Parameters
    ----------
    digest : SHA-256 of the file of the matrix, as its record in the store has it
    say : is told what takes time
    exact_up_to : rows up to which the search is exact
    """
    if len(rows) <= exact_up_to:
        return Index(rows, exact.Exact(rows, metric))
    import faiss

    origin = {"rows": digest, "shape": list(rows.shape), "metric": metric, "faiss": faiss.__version__, "format": FORMAT}
    kept = Derived(derived.of_results(), "index", origin | {"wanted": WANTED}, (inverted.__name__,))
    lists = _Kept(rows, metric, kept, say)
    return lists.opened() or lists.opened(again=True) or lists.made()


@dataclass
class _Kept:
    """Inverted lists in the cache; `fresh` are those that this process made."""

    rows: "np.ndarray"
    metric: "Metric"
    kept: Derived
    say: Callable[[str], None]
    fresh: Index | None = None

    def opened(self, again: bool = False) -> Index | None:
        """The index from the cache, made if it is not there; None where its file is damaged, unless made `again`."""
        if again:
            log.warning("an index in %s is damaged or gone, and is made again", self._folder)
            files.remove(self.kept.store.path(self.kept.kind, self.kept.hash))
        content = self.kept.ensure(self._make)
        return self.fresh or self._read(content)

    def made(self) -> Index:
        """The index in memory alone, where it cannot be kept."""
        self._make()
        assert self.fresh is not None  # just made
        return self.fresh

    @property
    def _folder(self) -> Path:
        return self.kept.store.path(self.kept.kind, self.kept.hash).parent

    def _read(self, content: Content) -> Index | None:
        shape = self.rows.shape
        index = inverted.read(self._folder, content.info["kept"], (shape[0], shape[1]))
        return None if index is None else self._index(index, content.arrays["mean"], content.info["facts"])

    def _index(self, index: Any, mean: "np.ndarray", facts: Mapping[str, Any]) -> Index:
        """The opened index, from which `mean` (d,) is subtracted, as it is searched."""
        return Index(self.rows, inverted.Lists(self.rows, self.metric, index, mean, facts["nprobe"]), facts)

    def _make(self) -> Content:
        import faiss  # noqa: F401  # loaded before its threads are held at one

        self.say(f"making an index of {len(self.rows):,} images; it is kept")
        with threads.one_core_each(machine.cores()):
            index, mean = inverted.built(self.rows, self.metric)
            facts = inverted.tuned(self.rows, self.metric, index, mean, WANTED, SAMPLE)
        self.fresh = self._index(index, mean, facts)
        circumstances = {"libraries": provenance.installed(("faiss-cpu", "numpy"))}
        try:
            checks = inverted.write(index, self._folder, self.kept.hash)
        except (OSError, files.WriteError) as error:
            log.warning("the index cannot be kept, and will be made again the next time: %s", error)
            return Content({"facts": facts}, {"mean": mean}, circumstances, lasting=False)
        return Content({"facts": facts, "kept": checks}, {"mean": mean}, circumstances)
