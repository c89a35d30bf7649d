"""From overrides to a frozen plan (layer 3: joins compose and sweep)."""

import contextlib
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from backbench import compose, lock, machine, paths, schema
from backbench.datasets import Description, Reading
from backbench.evaluate import selection
from backbench.files import remove
from backbench.images import cache
from backbench.images.policy import Image as Policy
from backbench.pictures import choice, drawing
from backbench.schema import ConfigError, refuse
from backbench.stage import RECIPE
from backbench.store import Store
from backbench.sweep import builder, ledger, limits, plan, smallness, sources, status
from backbench.sweep.plan import Plan
from backbench.sweep.status import Status

log = logging.getLogger(__name__)

UNKNOWN_DIGEST = "0" * 64
OLDER = (
    "files are identified by their bytes now, no longer by their pixels, and large photographs are decoded at a "
    "reduced scale: the hashes of this collection change this once, and its results are computed anew"
)
KEEP_IMAGES = "BACKBENCH_KEEP_IMAGES"
PLOTS = (choice.BEST, choice.ALL, choice.NONE)

# Locks of a plain `snakemake`, kept until its process ends.
_HELD: list[Any] = []


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
        Is told how many files are read of those that have to be.
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
    _apply(composed.settings)
    unread: dict[str, int] = {}
    told: list[str] = []

    def understood(lines: Iterable[str]) -> None:
        for line in lines:
            if line not in told:
                told.append(line)
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
    policies = sources.policies((cell.config["backbone"] for cell in composed.cells), device) if prepare else ()
    reading = Reading(progress, policies, paths.store())
    built = builder.build((cell.config for cell in composed.cells), digest_of, composed.explicit, device)
    understood(built.understood)
    policy = schema.canonical(selection.parse(composed.settings.get("selection")))
    request = {"experiment": composed.experiment, "overrides": list(overrides), "selection": policy}
    request |= {"plots": _plots(composed.settings), "understood": told}
    frozen = plan.freeze(built, request)
    memory = memory_mb(composed.settings)
    limits.check(frozen, memory)
    return Planned(frozen, composed.notices + built.notices, told, sum(unread.values()), memory, built.keys)


def _tell_older(about: Description, tell: Callable[[str], None]) -> None:
    if about.older:
        tell(OLDER)


def for_snakemake(config: Mapping[str, Any], main: bool) -> Plan:
    """The plan that a Snakefile works on.

    The launcher names a plan file. Plain ``snakemake`` makes the plan of ``--config experiment=NAME`` here; its jobs
    in other processes find it in the environment.
    """
    named = config.get("plan") or (None if main else os.environ.get("BACKBENCH_PLAN"))
    if named:
        found = plan.load(Path(named))
    else:
        found = make([f"experiment={config['experiment']}"] if "experiment" in config else []).plan
        plan.save(found)
    os.environ["BACKBENCH_PLAN"] = str(found.path)
    if main:
        if lock.HELD not in os.environ:
            _HELD.append(lock.acquire())
            if paths.results().parent == Path.cwd():
                lock.clear_snakemake_lock(Path.cwd())
        prepare(found)
    return found


def prepare(found: Plan) -> Status:
    """Bring the receipts into line with the store, before Snakemake looks at them."""
    state = status.inspect(found, Store(paths.store()))
    status.sync_receipts(found, state)
    if not ledger.joined(found, state.states):
        remove(found.folder / ledger.RESULTS)
        remove(found.tracked)
        remove(page(found))
    if drawing.wanted(found) and not drawing.current(found):
        remove(drawing.receipt(found))
    if state.needed or not found.tracked.exists() or undrawn(found) or not page(found).exists():
        # Where the last file is there, Snakemake does not make one that is missing before it.
        remove(attached(found))
    return state


def with_known(planned: Planned, state: Status, store: Store) -> Status:
    """`state` with the rows of needed features that the store holds of other collections of the same images."""
    known: dict[str, tuple[int, int]] = {}
    for member in state.needed:
        stage = planned.plan.stages[member]
        keys = planned.keys.get(stage.parents.get("dataset", ("", ""))[1], ())
        if stage.kind == "features" and "rows" in stage.local and keys:
            known[member] = sources.known_rows(store, stage, keys), len(keys)
    return replace(state, known={member: counts for member, counts in known.items() if counts[0]})


def finish(found: Plan) -> None:
    """After a launch that went well: drop the decoded images of its features, unless they are to be kept."""
    if os.environ.get(KEEP_IMAGES) or not all(s.receipt.is_file() for s in found.shards.values()):
        return
    recipes = [stage.config for stage in found.stages.values() if stage.kind == RECIPE]
    cache.drop(paths.store(), [schema.parse(Policy, config, "image") for config in recipes])


def undrawn(found: Plan) -> bool:
    """Whether a sweep is to have pictures that are not drawn yet."""
    return drawing.wanted(found) and not drawing.receipt(found).exists()


def page(found: Plan) -> Path:
    """The report of a sweep."""
    return found.folder / "report.html"


def attached(found: Plan) -> Path:
    """The file that says that MLflow has the pictures and the report of a sweep too."""
    return found.tracked.with_name(f"{found.tracked.stem}-pages.json")


def _plots(settings: Mapping[str, Any]) -> str:
    """Which pictures a sweep ends with."""
    asked = settings.get("plots", PLOTS[0])
    if asked not in PLOTS:
        raise refuse("plots", asked, PLOTS)
    return asked


def memory_mb(settings: Mapping[str, Any]) -> int:
    """MB of memory that a job may have."""
    asked = settings.get("execution", {}).get("memory_mb")
    if asked is not None and (not isinstance(asked, int) or asked < 1):
        raise ConfigError(f"execution.memory_mb: received {asked!r}; allowed: a whole number of MB >= 1, or null.")
    return asked or machine.memory_mb()


def _apply(settings: Mapping[str, Any]) -> None:
    """Hand settings that are never hashed to the jobs, through the environment."""
    execution = settings.get("execution", {})
    device, batch = execution.get("device", "auto"), execution.get("batch_size")
    lost = execution.get("on_device_loss", "fail")
    if device not in ("auto", "cpu", "cuda") and not str(device).startswith("cuda:"):
        raise ConfigError(f"execution.device: received {device!r}; allowed: auto, cpu, cuda, cuda:N.")
    if batch is not None and (not isinstance(batch, int) or batch < 1):
        raise ConfigError(f"execution.batch_size: received {batch!r}; allowed: a whole number >= 1, or null.")
    if lost not in ("fail", "cpu"):
        raise refuse("execution.on_device_loss", lost, ("fail", "cpu"))
    keep = settings.get("store", {}).get("keep_images", False)
    if not isinstance(keep, bool):
        raise refuse("store.keep_images", keep, ("true", "false"))
    values = {
        KEEP_IMAGES: 1 if keep else None,
        "BACKBENCH_ON_DEVICE_LOSS": lost,
        "BACKBENCH_DEVICE": None if device == "auto" else device,
        "BACKBENCH_BATCH_SIZE": batch,
        "BACKBENCH_STORE": settings.get("store", {}).get("root"),
        "MLFLOW_TRACKING_URI": settings.get("tracking", {}).get("uri"),
    }
    os.environ.update({key: str(value) for key, value in values.items() if value is not None})
