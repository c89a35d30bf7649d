"""How a sweep stands."""

from typing import TYPE_CHECKING

from backbench.interface import tabular

if TYPE_CHECKING:
    from backbench.sweeping.overview import Overview


def status(sweep: str | None = None) -> "Overview":
    """How a sweep stands, while it runs and afterwards: what is done, running, queued and failed, and what is left.

    Parameters
    ----------
    sweep : hash of a sweep or of a plan, or a prefix of it; by default what runs, else the newest sweep

    Raises
    ------
    ConfigError
        If there is no such sweep.

    Examples
    --------
    >>> backbench.status().left_seconds  # doctest: +SKIP
    """
    from backbench.sweeping import overview

    with tabular.environment():
        return overview.look(sweep)
