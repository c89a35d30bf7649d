"""Features of a collection as a sweep has them, and how many of them were computed."""

from dataclasses import dataclass

import numpy as np
import pytest
from sweeping import computed

from backbench import paths
from backbench.engine.results import ledger
from backbench.stage import Context, Inputs, Member, Outcome
from backbench.stages import features
from backbench.store import DONE, Store

# A network with its real weights, of small images: quick, and not a toy.
NETWORK = ("backbone=efficientnet_lite0", "backbone.image.size=32", "backbone.engine=torch")
BATCH = 4
HEADLESS = ("experiment=none", "clusterer=none", "classifier=none", "retrieval=none", "execution.device=cpu")


@dataclass(frozen=True)
class Extracted:
    """What came of the features of a collection: `computed` is how many images the network was given."""

    outcome: Outcome
    names: list
    computed: int

    @property
    def known(self) -> int:
        return self.outcome.info["rows"]["known"]

    @property
    def features(self) -> np.ndarray:
        return np.array(self.outcome.arrays["features"])


def extracted(*overrides, keep=True, **options) -> Extracted:
    """Features that `overrides` ask for, from whatever the store has; `options` are those of the context."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BACKBENCH_DEVICE", "cpu")  # planning sets it for the jobs, and not for other tests
        made = computed(*HEADLESS, *NETWORK, *overrides, without=("audit", "features", *ledger.HEADS))
    (stage,) = (stage for stage in made.stages.values() if stage.kind == "features")
    store, counts = Store(paths.store()), []
    inputs = Inputs(store, dict(stage.reads))
    member = Member(stage.hash, {**stage.config, **stage.local})
    options = {"scratch": store.scratch("features", stage.hash), "batch_size": BATCH, **options}
    context = Context(progress=lambda *now: counts.append(now), **options)
    for outcome in features.compute([member], inputs, context):  # the arrays are gone when the stage goes on
        arrays = {name: np.array(array) for name, array in outcome.arrays.items()}
        outcome = Outcome(outcome.hash, info=outcome.info, arrays=arrays, used=outcome.used)
        if keep:
            body = {"status": DONE, "reason": None, "code": stage.code, "config": dict(stage.config), "metrics": {}}
            store.write("features", stage.hash, {**body, "info": dict(outcome.info)}, arrays)
    info = inputs.info("dataset")
    names = info.get("files") or inputs.array("dataset", "rows").tolist()
    return Extracted(outcome, list(names), counts[-1][1])
