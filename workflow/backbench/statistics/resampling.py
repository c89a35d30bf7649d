"""Bootstrap samples of images, or of groups of images, as weight vectors: how often each is drawn (Efron 1979).

One set of vectors serves all rows that were tested on the same images: the difference of two rows under a vector is
then the difference on one sample, and whatever makes a sample easy for both cancels.
"""

import numpy as np

BLOCK = 64


def weights(n: int, resamples: int = 1000, seed: int = 0) -> np.ndarray:
    """Counts (resamples, n) uint8 of n draws with replacement from n images; each row sums to n.

    The same arguments give the same counts, which are read-only. Memory is laid out image by image, as `replicates`
    reads it.

    Raises
    ------
    ValueError
        If there is no image or no resample to draw.
    """
    if n < 1 or resamples < 1:
        raise ValueError(f"{resamples} resamples of {n} images: there must be at least one of each")
    generator = np.random.default_rng(seed)
    counts = np.empty((n, resamples), dtype=np.uint8)
    for start in range(0, resamples, BLOCK):
        size = min(BLOCK, resamples - start)
        block = np.empty((size, n), dtype=np.uint8)
        for draw in block:
            draw[:] = narrow(np.bincount(generator.integers(0, n, n), minlength=n))
        counts[:, start : start + size] = block.T
    return _read_only(counts.T)


def of_groups(groups: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Counts (resamples, n) of the images of `groups` (n,) where whole groups are drawn: those of `drawn` (resamples,
    m) for the m groups in the order of their numbers (cluster bootstrap, Davison and Hinkley 1997, section 3.8)."""
    return _read_only(drawn.T[np.unique(groups, return_inverse=True)[1]].T)


def _read_only(counts: np.ndarray) -> np.ndarray:
    """These counts (resamples, n), so that what is made of them can be kept (`_cells.blocks`)."""
    counts.flags.writeable = False
    return counts


def narrow(counts: np.ndarray) -> np.ndarray:
    """Counts (n,) as uint8; the chance that an image is drawn more than 255 times is below 1 in 10^500.

    Raises
    ------
    OverflowError
        If a count does not fit.
    """
    if counts.max(initial=0) > np.iinfo(np.uint8).max:
        raise OverflowError(f"an image is drawn {counts.max()} times; at most {np.iinfo(np.uint8).max} can be held")
    return counts.astype(np.uint8)
