"""Which runs a figure is of: those that have the parameters it names, or what stands in for these."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from backbench.evaluate import configurations
from backbench.papers import described
from backbench.papers.described import GROUPS, NONE, Options
from backbench.papers.stand_ins import CHAINS, Deviation, shown
from backbench.schema import refuse
from backbench.sweep.results.ledger import Row

CHAIN = "chain"
AXES = ("k", "seed")
Where = Mapping[str, Any]


@dataclass(frozen=True)
class Matching:
    """The runs of a sweep and how it deviates from the preset."""

    rows: Sequence[Row]
    deviation: Deviation

    @cached_property
    def options(self) -> dict[str, Options]:
        """The options of each run by its config hash: the words of the preset first, then those of `Row.params`."""
        pairs = zip(self.rows, self.deviation.ours, strict=True)
        return {row.config_hash: {**row.params, **own} for row, own in pairs}

    def found(self, where: Where, said: str) -> list[Row]:
        """The runs that match, in their order.

        A value that the sweep lacks is matched by what stands in for it; the options of a plugin that stands in for
        another are not asked for.

        Raises
        ------
        ConfigError
            For a parameter that neither a run nor a cell of the preset has; `said` says where it stands.
        """
        self._check(where, said)
        return [
            row for row in self.rows if all(self._has(self.options[row.config_hash], *one) for one in where.items())
        ]

    def lacking(self, where: Where) -> str:
        """Why no run matches: the parameters that no run has, each by itself or else all together."""
        every = self.options.values()
        absent = [(key, value) for key, value in where.items() if not any(self._has(own, key, value) for own in every)]
        pairs = ", ".join(f"{key}={shown(value)}" for key, value in absent or where.items())
        return f"not in this sweep: no run has {pairs}"

    def differing(self, rows: Sequence[Row]) -> dict[str, list[Any]]:
        """The options by which runs differ, seeds of fits left out, with the value in each; None where it has none."""
        every = [self.options[row.config_hash] for row in rows]
        found: dict[str, list[Any]] = {}
        for key in dict.fromkeys(key for own in every for key in own):
            values = [own.get(key) for own in every]
            if len(set(map(described.text, values))) > 1 and not _seed_of_fit(key):
                found[key] = values
        return _telling(found)

    def undecided(self, where: Where, keys: Sequence[str]) -> list[str]:
        """Which of `keys` have several values in those cells of the preset that match `where`."""
        cells = [cell for cell in self.deviation.theirs if all(_is(cell, *one) for one in where.items())]
        return [key for key in keys if len({described.text(cell[key]) for cell in cells if key in cell}) > 1]

    def _has(self, own: Options, key: str, value: Any) -> bool:
        if _is(own, key, value) or self._waived(own, key):
            return True
        if key == CHAIN:
            chains = [head for head in CHAINS if head in own]
            return bool(chains) and all(self._has(own, head, value) for head in chains)
        instead = self.deviation.replaced.get(key, {}).get(described.text(value), ())
        return key in own and described.text(own[key]) in instead

    def _waived(self, own: Options, key: str) -> bool:
        """Whether `key` is an option of a plugin or a chain that stands in for another."""
        if key in AXES:
            return key not in own and self._replaced(own, "clusterer.name")
        chain = next((head for head in CHAINS if key.startswith(f"{head}.")), None)
        if chain:
            return self._replaced(own, chain)
        group = key.partition(".")[0]
        return group in GROUPS and key != f"{group}.name" and self._replaced(own, f"{group}.name")

    def _replaced(self, own: Options, key: str) -> bool:
        return own.get(key, NONE) != NONE and self.deviation.stands_in(key, own[key])

    def _check(self, where: Where, said: str) -> None:
        known = {CHAIN, *(key for own in (*self.options.values(), *self.deviation.theirs) for key in own)}
        for key in where:
            if key not in known:
                raise refuse(said, key, sorted(known))


def _is(own: Options, key: str, value: Any) -> bool:
    if key == CHAIN and CHAIN not in own:
        return any(head in own for head in CHAINS) and all(_is(own, head, value) for head in CHAINS if head in own)
    return key in own and described.text(own[key]) == described.text(value)


def _seed_of_fit(key: str) -> bool:
    return configurations.is_seed(key) and not key.startswith("dataset.")


def _telling(found: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """The options that tell runs apart, without those that follow from the plugins' names or from a chain's."""
    names = [key for key in found if key.endswith(".name") or key in CHAINS]
    prefixes = tuple(f"{key.removesuffix('.name')}." for key in names)
    kept = {key: values for key, values in found.items() if key in names or not key.startswith(prefixes)}
    return {key: values for key, values in kept.items() if key != CHAIN or not set(CHAINS) & set(kept)}
