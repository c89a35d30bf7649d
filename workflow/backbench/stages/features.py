"""Stage ``features``: embeddings of the decoded images, batch by batch (layer 2).

Rows are written to the member's scratch folder as they come, so that a killed job goes on where it was. The features of
an image do not depend on its batch beyond 1e-5 of their size (the kernels that a library chooses may), and not at all
where the batch size stays. Each batch has one core; the threads work on batches beside each other.
"""

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from backbench import code, hashing, plugins, threads
from backbench.schema import ConfigError
from backbench.stage import Context, Inputs, Member, Outcome
from backbench.stages._partial import Partial

PRECISION = "float32"
# A device wants larger batches than a core, and a second one at hand while the first is copied back.
DEVICE_FACTOR, DEVICE_QUEUE = 8, 2


class _NotFinite(ValueError):
    """Features that nothing can be computed from."""


def compute(members: Sequence[Member], inputs: Inputs, context: Context) -> Iterator[Outcome]:
    """Extract the features of each member.

    Raises
    ------
    ConfigError
        If the weights cannot be had, or are no longer those of the plan.
    """
    images = inputs.array("images", "images", mmap=True)
    image_policy = inputs.store.read(*inputs.refs["images"])["config"]
    for member in members:
        start = time.perf_counter()
        module = plugins.load("backbone", member.config["name"])
        params = _params(module, member.config, image_policy)
        with _partial(member, module, len(images), module.width(params), context) as partial:
            try:
                speed = _fill(partial, images, module, params, context)
                failure = None
            except _NotFinite as error:
                failure = str(error)
        seconds = time.perf_counter() - start
        if failure:
            yield Outcome(member.hash, failure=failure, seconds=seconds)
        else:
            info = _info(module, params, partial.array.shape[1], speed)
            yield Outcome(member.hash, info=info, arrays={"features": partial.array}, seconds=seconds)
        partial.discard()


def _params(module: ModuleType, config: Mapping[str, Any], image_policy: Mapping[str, Any]) -> Any:
    """The options of a member; its weights must still be the ones that it was planned with."""
    options = {field.name for field in dataclasses.fields(module.Params)}
    unhashed = dict.fromkeys(getattr(module, "UNHASHED", ()), 0)
    values = {**unhashed, **{key: config[key] for key in options & set(config)}}
    params = plugins.params("backbone", {"name": config["name"], **values, "image": dict(image_policy)})
    for key, value in module.identity(params).items():
        if key not in options and config[key] != value:
            raise ConfigError(f"{config['name']}: {key} is {value}, and {config[key]} was planned; plan again.")
    return params


def _partial(member: Member, module: ModuleType, n: int, d: int, context: Context) -> Partial:
    hashed = {"member": member.hash, "code": code.digest([__name__, module.__name__])}
    return Partial(context.scratch, (n, d), PRECISION, hashing.digest(hashed), context.progress)


def _fill(partial: Partial, images: np.ndarray, module: ModuleType, params: Any, context: Context) -> float | None:
    """Compute the rows that are missing; images per second, None where there were none to compute."""
    todo = len(images) - partial.done
    if not todo:
        return None
    extract = module.open(params, context)
    on_cpu = context.device == "cpu"
    size = context.batch_size or module.BATCH * (1 if on_cpu else DEVICE_FACTOR)
    batches = (images[row : row + size] for row in range(partial.done, len(images), size))
    with threads.one_core_each(max(1, context.threads) if on_cpu else DEVICE_QUEUE):
        start = time.perf_counter()
        for rows in threads.in_order(extract, batches):
            _check(rows, partial.done)
            partial.append(rows)
    return todo / max(time.perf_counter() - start, 1e-9)


def _check(rows: np.ndarray, first: int) -> None:
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        raise _NotFinite(f"the features of image {first + int(np.argmin(finite))} are not finite")


def _info(module: ModuleType, params: Any, d: int, speed: float | None) -> dict[str, Any]:
    about = {
        "d": int(d),
        "images_per_second": speed and round(speed, 1),
        "engine": module.ENGINE,
        "precision": PRECISION,
    }
    return {**about, **module.identity(params)}
