"""Which runs a figure is of: those that have the parameters it names, or what stands in for these."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from backbench.engine.results.joined_run import Row
from backbench.evaluate import configurations
from backbench.papers import described
from backbench.papers.described import GROUPS, NONE, Options
from backbench.papers.published import Where
from backbench.papers.stand_ins import CHAINS, Deviation, has, shown
from backbench.schema import refuse

CHAIN = "chain"
AXES = ("k", "seed")


@dataclass(frozen=True)
class Matching:
    """The runs of a sweep and how it deviates from the preset."""

    rows: Sequence[Row]
    deviation: Deviation

    @cached_property
    def options(self) -> dict[str, Options]:
        """The options of each run by its config hash: the words of the preset first, then those of `Row.params`."""
        pairs = zip(self.rows, self.deviation.ours, strict=True)
        return {row.config_hash: {**row.params, **options} for row, options in pairs}

    def matches(self, where: Where, place: str) -> list[Row]:
        """The runs that match, in their order.

        A value that the sweep lacks is matched by what stands in for it; the options of a plugin that stands in for
        another are not asked for.

        Raises
        ------
        ConfigError
            For a parameter that neither a run nor a cell of the preset has; `place` says where it is asked for.
        """
        known = {CHAIN, *(key for options in (*self.options.values(), *self.deviation.theirs) for key in options)}
        for key in where:
            if key not in known:
                raise refuse(place, key, sorted(known))
        return [row for row in self.rows if self._all(self.options[row.config_hash], where)]

    def lacking(self, where: Where) -> str:
        """The parameters that no run has, each by itself or else all together."""
        every = self.options.values()
        absent = [item for item in where.items() if not any(self._has(options, *item) for options in every)]
        return ", ".join(f"{key}={shown(value)}" for key, value in absent or where.items())

    def differing(self, rows: Sequence[Row]) -> dict[str, list[Any]]:
        """The options by which runs differ, with the value in each, None where it has none.

        Seeds of fits are left out, and what follows from the name of a plugin or of a chain.
        """
        every = [self.options[row.config_hash] for row in rows]
        keys = dict.fromkeys(key for options in every for key in options)
        free = [key for key in keys if key.startswith("dataset.") or not configurations.is_seed(key)]
        columns = {key: [options.get(key) for options in every] for key in free}
        differ = {key: values for key, values in columns.items() if len(set(map(described.text, values))) > 1}
        names = [key for key in differ if key.endswith(".name") or key in CHAINS]
        implied = tuple(f"{key.removesuffix('.name')}." for key in names)
        kept = {key: values for key, values in differ.items() if key in names or not key.startswith(implied)}
        return {key: values for key, values in kept.items() if key != CHAIN or not set(CHAINS) & set(kept)}

    def undecided(self, where: Where, keys: Sequence[str]) -> list[str]:
        """Which of `keys` have several values in those cells of the preset that match `where`."""
        cells = [cell for cell in self.deviation.theirs if all(_is(cell, *item) for item in where.items())]
        return [key for key in keys if len({described.text(cell[key]) for cell in cells if key in cell}) > 1]

    def _all(self, options: Options, where: Where) -> bool:
        return all(self._has(options, *item) for item in where.items())

    def _has(self, options: Options, key: str, value: Any) -> bool:
        if _is(options, key, value) or self._waived(options, key):
            return True
        if key == CHAIN:
            chains = [chain for chain in CHAINS if chain in options]
            return bool(chains) and all(self._has(options, chain, value) for chain in chains)
        instead = self.deviation.replaced.get(key, {}).get(described.text(value), ())
        return key in options and described.text(options[key]) in instead

    def _waived(self, options: Options, key: str) -> bool:
        """Whether `key` is an option of a plugin or a chain that stands in for another."""
        if key in AXES:
            return key not in options and self._replaced(options, "clusterer.name")
        if chain := next((chain for chain in CHAINS if key.startswith(f"{chain}.")), None):
            return self._replaced(options, chain)
        group = key.partition(".")[0]
        return group in GROUPS and key != f"{group}.name" and self._replaced(options, f"{group}.name")

    def _replaced(self, options: Options, key: str) -> bool:
        return options.get(key, NONE) != NONE and self.deviation.stands_in(key, options[key])


def _is(options: Options, key: str, value: Any) -> bool:
    if key == CHAIN and CHAIN not in options:
        chains = [chain for chain in CHAINS if chain in options]
        return bool(chains) and all(_is(options, chain, value) for chain in chains)
    return has(options, key, value)
