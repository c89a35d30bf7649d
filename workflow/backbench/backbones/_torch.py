"""One way to run a PyTorch network over uint8 images (layer 1; imported by ``open`` of a plugin only).

float32 without TF32, inference mode, channels_last (the layout in which uint8 images already lie), deterministic
cuDNN algorithms. The images are moved to the device as uint8 and normalised there. On a CPU a call takes one core:
batches beside each other use the others, which is quicker than cores that wait for each other after every layer,
by far so on a busy machine, and makes the features independent of the number of threads.
"""

from collections.abc import Callable

import numpy as np
import torch

from backbench.stage import Context


class Extractor:
    """Callable from uint8 (n, h, w, c) to float32 (n, d)."""

    def __init__(self, network: torch.nn.Module, normalise: Callable[[torch.Tensor], torch.Tensor], context: Context):
        self.device = torch.device(context.device)
        self.network = network.eval().to(self.device, memory_format=torch.channels_last)
        self.normalise = normalise
        torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = False, True
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False

    def __call__(self, images: np.ndarray) -> np.ndarray:
        # PyTorch keeps this number for each thread, so it is set in the thread that computes.
        torch.set_num_threads(1)
        with torch.inference_mode():
            return self._features(images)

    def _features(self, images: np.ndarray) -> np.ndarray:
        # A copy, for the images may be a read-only map of a file, which a tensor must not share.
        batch = torch.from_numpy(np.array(images, order="C")).to(self.device).permute(0, 3, 1, 2)
        return self.network(self.normalise(batch.float())).float().cpu().numpy()
