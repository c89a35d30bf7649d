"""How the agreement of a clustering with the classes varies with its images, from fits to samples of them.

Images drawn anew from the same population would be clustered otherwise, which draws with fixed labels do not show. Fits
to samples without replacement do (Politis and Romano, Annals of Statistics 22, 1994, 2031): on m of n images a metric
varies n / m - 1 times as much, in variance, as among samples of n, where it varies inversely to their size. Samples of
half of the images show the spread as it is, and that of fits by chance with it; larger ones overestimate the latter.
"""

from collections.abc import Sequence

import numpy as np

from backbench.metrics import external, labels


def replicates(
    names: Sequence[str], truth: np.ndarray, refits: np.ndarray, observed: Sequence[float]
) -> dict[str, np.ndarray]:
    """External metrics (samples,) by name, spread around the observed ones as they would be among samples of n images.

    Parameters
    ----------
    truth : class of each image, (n,)
    refits : labels (samples, n) of the fit to each sample; `labels.OUTSIDE` where an image is not in it
    observed : the metrics of the clustering of all images
    """
    drawn = refits != labels.OUTSIDE
    share = drawn.mean()
    widening = np.sqrt(share / (1 - share))
    spread = {}
    for name, value in zip(names, observed, strict=True):
        metric = getattr(external, name)
        values = np.array([metric(truth[kept], fit[kept]) for fit, kept in zip(refits, drawn, strict=True)])
        spread[name] = value + widening * (values - values.mean())
    return spread
