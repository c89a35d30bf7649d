"""The extractor that every engine returns, and the errors of the device that it runs on."""

import queue
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Lane = Callable[[np.ndarray], np.ndarray]


class OutOfMemory(RuntimeError):
    """There is no memory for a batch of this size; a smaller one may fit."""


class DeviceLost(RuntimeError):
    """A device has stopped responding; the remaining rows can be computed elsewhere."""


class Extractor:
    """Callable from uint8 images (n, h, w, c) to float32 features (n, d), from as many threads as there are lanes.

    A lane computes one batch at a time; a call takes a free one. `device` is where they compute. The bits of a row may
    depend on the shape of its batch, though not on the other rows: `one_shape` asks for batches of one shape. `arrays`
    are to be stored beside the features.
    """

    one_shape = True

    def __init__(self, lanes: "Sequence[Lane]", device: str):
        self.lanes, self.device = len(lanes), device
        self.arrays: Mapping[str, np.ndarray] = {}
        self._free: queue.SimpleQueue[Lane] = queue.SimpleQueue()
        for lane in lanes:
            self._free.put(lane)

    def __call__(self, images: "np.ndarray") -> "np.ndarray":
        """Features (n, d) float32 of images (n, h, w, c) uint8."""
        lane = self._free.get()
        try:
            return lane(images)
        finally:
            self._free.put(lane)


class Uncalibrated(Extractor):
    """A network that is to be computed in int8, before it is calibrated: it gives no features.

    `model` is the network as its engine has it, and `exact` the extractor of it in float32.
    """

    def __init__(self, model: Any, exact: Extractor):
        super().__init__([], exact.device)
        self.model, self.exact = model, exact

    def __call__(self, images: "np.ndarray") -> "np.ndarray":
        """No features of images (n, h, w, c).

        Raises
        ------
        TypeError
            Always.
        """
        raise TypeError("a network in int8 is calibrated on images before it gives features")
