"""Stage ``judge``: what a representation judges clusterings by, its features and their UMAP on a sample of the rows.

A judge is a representation of the sweep, whose features are read, or a backbone that makes no candidates, which is run
on the sampled images alone. Arrays: `rows` (m,) int64, the row numbers of the sample in their order, `embedding`
(m, 10) float32, and `features` (m, d) float32 where they were extracted here. Clusterings are judged where sweeps are
answered (`evaluate.judging`), since that depends on all of them.
"""

import contextlib
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from backbench import hashing
from backbench.backbones import _contract
from backbench.backbones._contract import Frozen
from backbench.judging import embedding
from backbench.stage import Context, Inputs, Member, Outcome
from backbench.stages import _extraction, _shard, pixels
from backbench.stages._partial import Partial


def compute(members: Sequence[Member], inputs: Inputs, context: Context) -> Iterator[Outcome]:
    """The sample and the embedding of each member."""
    for member in members:
        start = time.perf_counter()
        try:
            outcome = _judge(member, inputs, context)
        except _extraction.NotFinite as error:
            outcome = Outcome(member.hash, failure=str(error), seconds=time.perf_counter() - start)
        yield outcome
        shutil.rmtree(context.scratch, ignore_errors=True)


def _judge(member: Member, inputs: Inputs, context: Context) -> Outcome:
    start = time.perf_counter()
    rows = embedding.sample(inputs.info("dataset")["n"], member.config["rows"])
    arrays: dict[str, np.ndarray] = {"rows": rows}
    if "features" in inputs.refs:
        features = np.asarray(inputs.array("features", "features", mmap=True)[rows])
    else:
        features = arrays["features"] = _extracted(member.config, rows, inputs, context)
    _shard.refuse_non_finite(features)
    arrays["embedding"] = embedding.embed(features)
    info = {"n": len(rows), "d": features.shape[1], "known": "features" in inputs.refs}
    return Outcome(member.hash, info=info, arrays=arrays, seconds=time.perf_counter() - start)


def _extracted(config: Mapping[str, Any], rows: np.ndarray, inputs: Inputs, context: Context) -> np.ndarray:
    """Features (m, d) float32 of the images of `rows` (m,)."""
    backbone = {**config["backbone"], "image": config["image"]}
    module = _contract.load(backbone["name"])
    assert isinstance(module, Frozen), "a judge of its own is a frozen network"
    params = _extraction.parameters(module, backbone)
    images = pixels.Prepared(inputs, params.image, config.get("root"), keep=True)
    shape, key = (len(rows), module.width(params)), hashing.digest(["judge", backbone, hashing.array_digest(rows)])
    partial = Partial(context.scratch, shape, "float32", key, context.progress)
    with contextlib.closing(images), partial:
        size = _extraction.batch_of(module, params, context)
        _extraction.run(partial, images.take(rows), module.open(params, context), size, context)
        return np.array(partial.array)
