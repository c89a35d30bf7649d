"""From overrides to a frozen plan (joins compose and sweep)."""

import contextlib
import functools
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from backbench import compose, paths, schema, settings
from backbench.datasets import Description, Reading
from backbench.engine.plan import builder, frozen, limits, representations, smallness
from backbench.engine.plan.frozen import Plan
from backbench.engine.plan.judges import Judging
from backbench.engine.run.status import Status
from backbench.evaluate import selection
from backbench.evaluate.selection import Policy
from backbench.pictures import choice
from backbench.schema import ConfigError, refuse
from backbench.store import Store

log = logging.getLogger(__name__)

UNKNOWN_DIGEST = "0" * 64
OLDER = (
    "files are identified by their bytes now, no longer by their pixels, and large photographs are decoded at a "
    "reduced scale: the hashes of this collection change this once, and its results are computed anew"
)
PLOTS = (choice.BEST, choice.ALL, choice.NONE)
ALL, FEWEST = "all", "fewest"


@dataclass(frozen=True)
class Planned:
    """A plan with what was said while it was made.

    `understood` says what the collections are taken for; `unread` counts the files that were not read as they are;
    `memory_mb` is what jobs here may have together. `keys` tell the images of each dataset that was read.
    """

    plan: Plan
    notices: list[str] = field(default_factory=list)
    understood: list[str] = field(default_factory=list)
    unread: int = 0
    memory_mb: int = 0
    keys: Mapping[str, Sequence[bytes]] = field(default_factory=dict, repr=False)

    @property
    def fingerprinted(self) -> bool:
        """Whether every file was read, so that the hashes are the final ones."""
        return not self.unread


def make(
    overrides: Sequence[str],
    fingerprint: bool = True,
    progress: Callable[[int, int], None] = lambda done, total: None,
    tell: Callable[[str], None] | None = None,
    prepare: bool = True,
) -> Planned:
    """Compose, validate, hash and freeze the grid that `overrides` describe; settings go into the environment.

    Parameters
    ----------
    fingerprint
        Whether a folder of images whose content is not known is read now; otherwise its hashes are provisional and
        the plan must not be run.
    progress
        Is sentences how many files are read of those that have to be.
    prepare
        Whether the pixels that the backbones are given are made while the files are read.
    tell
        Is called with each sentence on what a collection is taken for, before its images are read where that is known.

    Raises
    ------
    ConfigError
        For anything that could not be run, before any job starts.
    """
    composed = compose.expand(overrides)
    settings.apply(composed.settings, composed.explicit)
    unread: dict[str, int] = {}
    sentences: list[str] = []

    def understood(lines: Iterable[str]) -> None:
        for line in lines:
            if line not in sentences:
                sentences.append(line)
                (tell or log.info)(line)

    def digest_of(module: Any, params: Any) -> str:
        if fingerprint:
            with contextlib.suppress(ConfigError):  # what is not here yet cannot be described
                about = module.describe(params)
                understood(smallness.understood(about))
                _tell_older(about, tell or log.info)
            return module.fingerprint(params, reading)
        about = module.describe(params)
        _tell_older(about, tell or log.info)
        if about.digest is None:
            unread[f"{module.__name__}: {params}"] = about.unread or about.n
        return about.digest or UNKNOWN_DIGEST

    device = composed.settings.get("execution", {}).get("device", "auto")
    policies = representations.policies((cell.config["backbone"] for cell in composed.cells), device) if prepare else ()
    reading = Reading(progress, policies, paths.store())
    policy = selection.parse(composed.settings.get("selection"))
    fewest = _combinations(composed.settings) == FEWEST
    cells = (cell.config for cell in composed.cells)
    built = builder.build(cells, digest_of, composed.explicit, device, fewest, _judging(policy, composed.explicit))
    understood(built.understood)
    asked = schema.canonical(policy)
    request = {"experiment": composed.experiment, "overrides": list(overrides), "selection": asked}
    request |= {"plots": _plots(composed.settings), "understood": sentences}
    sweep_plan = frozen.freeze(built, request)
    memory = settings.memory_mb(composed.settings)
    limits.check(sweep_plan, memory)
    return Planned(sweep_plan, composed.notices + built.notices, sentences, sum(unread.values()), memory, built.keys)


def _judging(policy: Policy, explicit: Collection[str]) -> Judging | None:
    """How a policy lets judges choose, None where it does not."""
    if not policy.judged:
        return None
    asked = any(key.split(".")[0] == "selection" for key in explicit)

    @functools.cache
    def extra() -> list[Mapping[str, Any]]:
        cells = (compose.expand(["experiment=none", f"backbone={name}"]).cells[0] for name in policy.judges or ())
        return [cell.config["backbone"] for cell in cells]

    if asked:
        extra()  # a judge that was asked for and is none is refused, whether it is needed or not
    return Judging(policy.rows, extra, asked)


def _tell_older(about: Description, tell: Callable[[str], None]) -> None:
    if about.older:
        tell(OLDER)


def with_known(planned: Planned, state: Status, store: Store) -> Status:
    """`state` with the rows of needed features that the store holds of other collections of the same images."""
    known: dict[str, tuple[int, int]] = {}
    for member in state.needed:
        stage = planned.plan.stages[member]
        keys = planned.keys.get(stage.parents.get("dataset", ("", ""))[1], ())
        if stage.kind == "features" and "rows" in stage.local and keys:
            known[member] = representations.known_rows(store, stage, keys), len(keys)
    return replace(state, known={member: counts for member, counts in known.items() if counts[0]})


def _combinations(settings: Mapping[str, Any]) -> str:
    """Which combinations become runs."""
    asked = settings.get("combinations", ALL)
    if asked not in (ALL, FEWEST):
        raise refuse("combinations", asked, (ALL, FEWEST))
    return str(asked)


def _plots(settings: Mapping[str, Any]) -> str:
    """Which pictures a sweep ends with."""
    asked = settings.get("plots", PLOTS[0])
    if asked not in PLOTS:
        raise refuse("plots", asked, PLOTS)
    return asked
