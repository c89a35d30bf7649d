"""Ticks of an axis that holds the number of clusters k."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def of_k(axes: "Axes", first: float) -> None:
    """Whole numbers along x, and 1 among them where the smallest k, `first`, is 1: a curve begins there."""
    from matplotlib.ticker import MaxNLocator

    class Ks(MaxNLocator):
        """The whole numbers that matplotlib would choose, and 1 where the axis begins there."""

        def tick_values(self, vmin: float, vmax: float) -> list[float]:
            """The ticks from `first` on."""
            ticks = [float(tick) for tick in super().tick_values(vmin, vmax) if tick >= first]
            return ticks if first != 1 or 1.0 in ticks else [1.0, *ticks]

    axes.xaxis.set_major_locator(Ks(nbins="auto", steps=[1, 2, 2.5, 5, 10], integer=True))
