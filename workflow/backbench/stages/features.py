"""Stage ``features``: embeddings of the decoded images, batch by batch.

There are four kinds of backbones: frozen ones, those that first learn from the training rows, embeddings computed
elsewhere, and those that put the stored features of others side by side. Rows that the store already holds for the same
images, whatever collection they belonged to, are read from there (see ``_known``). The others are written to the
member's scratch folder as they are computed, so that a killed job continues where it stopped. A row does not depend on
the other rows: all batches have the same shape, and the last one is filled up. On a CPU each batch has one core, and
the threads work on separate batches.
"""

import contextlib
import dataclasses
import functools
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from backbench import code, hashing, provenance
from backbench.backbones import Rows, _contract, _engine, _quantised
from backbench.backbones._contract import (
    Backbone,
    Extract,
    Frozen,
    Given,
    Joining,
    Learner,
    OfImages,
    OfLibraries,
    Parted,
    Recording,
)
from backbench.backbones._extractor import DeviceLost
from backbench.datasets import TRAIN, VALIDATION
from backbench.images import decoding
from backbench.schema import ConfigError
from backbench.stage import Context, Inputs, Member, Outcome
from backbench.stages import _calibration, _extraction, _known, _stored, pixels
from backbench.stages._partial import Partial

log = logging.getLogger(__name__)

PRECISION = "float32"
# Libraries that define networks.
NETWORKS = ("torchvision", "timm", "open_clip_torch")


def compute(members: Sequence[Member], inputs: Inputs, context: Context) -> Iterator[Outcome]:
    """Extract the features of each member.

    Raises
    ------
    ConfigError
        If the weights are not available, or are not the ones that were planned.
    DeviceLost
        If the device stops responding and `context` does not allow the CPU; what is done is kept.
    """
    for member in members:
        start = time.perf_counter()
        module = _contract.load(member.config["name"])
        params = _extraction.parameters(module, member.config)
        try:
            if isinstance(module, Given):
                outcome = _given(member, module, params, inputs, context)
            elif isinstance(module, Joining):
                outcome = _joined(member, module, params, inputs, context)
            else:
                assert isinstance(module, OfImages), "a backbone without embeddings computes them from images"
                outcome = _extracted(member, module, params, inputs, context)
        except _extraction.NotFinite as error:
            outcome = Outcome(member.hash, failure=str(error))
        yield dataclasses.replace(outcome, seconds=time.perf_counter() - start)
        shutil.rmtree(context.scratch, ignore_errors=True)


def _given(member: Member, module: Given[Any], params: Any, inputs: Inputs, context: Context) -> Outcome:
    """Embeddings that were computed elsewhere."""
    about = inputs.info("dataset")
    stored = _stored.dataset(inputs)["arrays"]
    embeddings = inputs.array("dataset", "embeddings", mmap=True) if "embeddings" in stored else None
    source = Rows(about["n"], about["total"], inputs.array("dataset", "rows"), about.get("files"), embeddings)
    features = np.ascontiguousarray(module.embeddings(params, source), dtype=PRECISION)
    if features.ndim != 2 or len(features) != source.n:
        raise ConfigError(f"{member.config['name']}: embeddings of shape {features.shape} for {source.n} rows.")
    _extraction.check(features, 0)
    context.progress(source.n, source.n)
    info = _info(module, params, features.shape[1], None)
    info |= module.record(params) if isinstance(module, Recording) else {}
    return Outcome(member.hash, info=info, arrays={"features": features}, used={"device": "cpu", "batch_size": None})


def _joined(member: Member, module: Joining[Any], params: Any, inputs: Inputs, context: Context) -> Outcome:
    """The features of several backbones as one."""
    roles = sorted(role for role, (kind, _) in inputs.refs.items() if kind == "features")
    parts = [inputs.array(role, "features", mmap=True) for role in roles]
    factors = module.factors(params, parts)
    features = module.join(params, parts, factors)
    _extraction.check(features, 0)
    context.progress(len(features), len(features))
    info = _info(module, params, features.shape[1], None)
    info |= {"parts": [part.shape[1] for part in parts], "factors": factors}
    return Outcome(member.hash, info=info, arrays={"features": features}, used={"device": "cpu", "batch_size": None})


def _extracted(member: Member, module: OfImages[Any], params: Any, inputs: Inputs, context: Context) -> Outcome:
    """Features of the images; if the device is lost and `context` allows it, the CPU computes the rest."""
    try:
        return _attempt(member, module, params, inputs, context)
    except DeviceLost as error:
        reason = f"{context.device} was lost ({error})"
    if context.device == "cpu" or context.on_device_loss != "cpu":
        raise DeviceLost(f"{reason}; what is done is kept. Launch again, or allow execution.on_device_loss=cpu.")
    log.warning("%s: %s, continuing on the CPU", member.config["name"], reason)
    # The batch size was chosen for the device.
    fallback = dataclasses.replace(context, device="cpu", batch_size=None)
    outcome = _attempt(member, module, params, inputs, fallback)
    # Rows of two devices differ in their last bits: none of them is reused for another collection.
    info = {key: value for key, value in outcome.info.items() if key != "rows"}
    return dataclasses.replace(outcome, info={**info, "device_lost": reason})


def _attempt(member: Member, module: OfImages[Any], params: Any, inputs: Inputs, context: Context) -> Outcome:
    """Features of the images on the device of `context`."""
    images = pixels.Prepared(inputs, params.image, member.config.get("root"), keep=True)
    opened, facts, also = _opener(member, module, params, images, inputs, context)
    batch, trained = _extraction.batch_of(module, params, context), isinstance(module, Learner)
    about = {} if trained else _identity(member, module, params, batch, facts, context)
    rows = _known.rows(inputs, pixels.row_keys(inputs), about.get("identity"), module.width(params))
    with contextlib.closing(images), _partial(member, module, params, facts, rows, context) as partial:
        todo, start, used = len(rows.missing) - partial.done, time.perf_counter(), {}
        if todo:
            _sign(partial, about)
            extract = opened()
            start = time.perf_counter()
            used = _extraction.run(partial, images.take(rows.missing), extract, batch, context)
        speed = todo / max(time.perf_counter() - start, 1e-9) if todo else None
        features = rows.joined(partial.array)
    info = {**_info(module, params, features.shape[1], speed), **facts}
    # An earlier attempt may have had smaller batches, another device or other libraries.
    alike = set(partial.sizes) <= {batch} and set(partial.makers) <= {about.get("identity")}
    if not trained and alike and used.get("batch_size", batch) == batch:
        info["rows"] = {**about, "known": rows.count}
    return Outcome(member.hash, info=info, arrays={"features": features, "keys": rows.keys, **also}, used=used)


def _sign(partial: Partial, about: Mapping[str, str]) -> None:
    """Record what computes the next rows."""
    if about and about["identity"] not in partial.makers:
        partial.makers.append(about["identity"])


def _identity(
    member: Member, module: OfImages[Any], params: Any, batch: int, facts: Mapping[str, Any], context: Context
) -> dict[str, str]:
    """What a row depends on besides its image: ``family`` is known when planning; ``identity`` includes the machine."""
    engine = _engine.runtime(getattr(params, "engine", "numpy"), context.device)
    makers = {name: version for name, version in provenance.versions().items() if name in NETWORKS}
    machine = {"engine": engine, "networks": makers, "batch": batch, "decoder": decoding.decoder_version()}
    machine |= {"own": provenance.installed(module.LIBRARIES)} if isinstance(module, OfLibraries) else {}
    machine |= {"network": facts["calibration"]["digest"]} if "calibration" in facts else {}
    family = member.config.get("rows", member.hash)
    return {"family": family, "identity": hashing.digest({"family": family, **machine})}


def _opener(
    member: Member, module: OfImages[Any], params: Any, images: pixels.Prepared, inputs: Inputs, context: Context
) -> tuple[Callable[[], Extract], Mapping[str, Any], Mapping[str, np.ndarray]]:
    """The function that opens the extractor; where it depends on images, facts to record and arrays to store beside.

    The facts are ``training`` of a backbone that learns, and ``calibration`` of a network in int8. The arrays are of
    any shape, such as (epochs,) or (n, d).
    """
    if isinstance(module, Learner):
        split = inputs.array("dataset", "split")
        rows, validation_rows = (np.flatnonzero(split == part) for part in (TRAIN, VALIDATION))
        extract, training = module.fit(params, images.on_disk(context), rows, validation_rows, context)
        return lambda: extract, {"training": training} if training else {}, getattr(extract, "arrays", {})
    assert isinstance(module, Frozen), "a backbone of images learns or is frozen"
    if not _quantised.wanted(params):
        return functools.partial(module.open, params, context), {}, {}
    network, about = _calibration.network(module, params, images, inputs, _maker(member, module), context)
    return functools.partial(_quantised.open, network, context), {"calibration": about}, network.arrays()


def _maker(member: Member, module: OfImages[Any]) -> str:
    """Digest of what makes the features of a member."""
    return hashing.digest({"member": member.hash, "code": code.digest([__name__, module.__name__])})


def _partial(
    member: Member, module: OfImages[Any], params: Any, facts: Mapping[str, Any], rows: _known.Rows, context: Context
) -> Partial:
    # Rows of a killed job whose network was trained or calibrated differently are not reused.
    made_by: dict[str, Any] = {"member": member.hash, "code": code.digest([__name__, module.__name__])}
    made_by |= {"missing": hashing.array_digest(rows.missing)} | dict(facts)
    shape = (len(rows.missing), module.width(params))
    return Partial(context.scratch, shape, PRECISION, hashing.digest(made_by), context.progress)


def _info(module: Backbone[Any], params: Any, d: int, speed: float | None) -> dict[str, Any]:
    parts = module.parts(params) if isinstance(module, Parted) else []
    about: dict[str, Any] = {"parts": parts} if len(parts) > 1 else {}
    about |= {
        "d": int(d),
        "images_per_second": speed and round(speed, 1),
        "engine": getattr(params, "engine", module.ENGINE),
        "precision": getattr(params, "precision", PRECISION),
    }
    return {**about, **module.identity(params)}
