"""Bootstrap samples of images as weight vectors: how often each image is drawn (Efron 1979).

One set of vectors serves all rows that were tested on the same images: then the difference of two rows under a vector
is the difference on one sample, and what makes a sample easy for both cancels.
"""

import numpy as np

BLOCK = 64


def weights(n: int, resamples: int = 1000, seed: int = 0) -> np.ndarray:
    """Counts (resamples, n) uint8 of n draws with replacement from n images; each row sums to n.

    The same for the same arguments. The memory is laid out image by image, as `replicates` reads it.

    Raises
    ------
    ValueError
        If there is no image or no resample to draw.
    """
    if n < 1 or resamples < 1:
        raise ValueError(f"{resamples} resamples of {n} images: there must be at least one of each")
    generator = np.random.default_rng(seed)
    found = np.empty((n, resamples), dtype=np.uint8)
    for start in range(0, resamples, BLOCK):
        count = min(BLOCK, resamples - start)
        block = np.empty((count, n), dtype=np.uint8)
        for draw in block:
            draw[:] = narrow(np.bincount(generator.integers(0, n, n), minlength=n))
        found[:, start : start + count] = block.T
    return found.T


def narrow(counts: np.ndarray) -> np.ndarray:
    """Counts as uint8; that one image is drawn more than 255 times has a chance of less than 1 in 10^500.

    Raises
    ------
    OverflowError
        If a count does not fit.
    """
    if counts.max(initial=0) > np.iinfo(np.uint8).max:
        raise OverflowError(f"an image is drawn {counts.max()} times; at most {np.iinfo(np.uint8).max} can be held")
    return counts.astype(np.uint8)
