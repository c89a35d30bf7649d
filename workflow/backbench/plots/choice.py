"""The accuracy of candidates that differ in one option: a curve over its values, the chosen one marked."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from backbench.plots import Heading, Picture, _style

LINES = ("-", "--", ":", "-.")


def draw(
    heading: Heading,
    option: str,
    values: Sequence[float],
    accuracy: Mapping[str, Sequence[float | None]],
    chosen: tuple[str, float],
) -> Picture:
    """Accuracies (0 to 1) over the values of an option, which are positive; None where a fit came to nothing.

    Parameters
    ----------
    accuracy : by the name of a series, as many as there are values
    chosen : the series and the value that were chosen
    """
    from matplotlib.ticker import FuncFormatter, NullFormatter

    best = float(accuracy[chosen[0]][list(values).index(chosen[1])] or 0.0)
    with _style.style():
        figure = _style.figure(heading, 6.6, 3.7)
        axes = figure.subplots()
        for number, (name, right) in enumerate(accuracy.items()):
            look: dict[str, Any] = {"color": _style.colour(number), "ls": LINES[number % len(LINES)]}
            marker = _style.MARKERS[number % len(_style.MARKERS)]
            known = [math.nan if value is None else value for value in right]
            axes.plot(list(values), known, label=name, lw=1.6, marker=marker, ms=3.6, gid="curve", **look)
        axes.axvline(chosen[1], color="#999999", lw=0.9, ls=":", gid="best")
        ring: dict[str, Any] = {"marker": "o", "ms": 9, "mfc": "none", "mec": _style.INK, "mew": 1.2, "ls": "none"}
        axes.plot([chosen[1]], [best], gid="best", label=f"chosen: {chosen[1]:.3g} ({best:.4f})", zorder=5, **ring)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(f"{option} (logarithmic)")
        axes.set_ylabel("accuracy (0 to 1)")
        axes.grid(axis="y")
        axes.legend(loc="best")
    return Picture(
        figure,
        {option: list(values), **{name: list(right) for name, right in accuracy.items()}},
        _caption(option, values, accuracy, chosen, best),
    )


def _caption(
    option: str,
    values: Sequence[float],
    accuracy: Mapping[str, Sequence[float | None]],
    chosen: tuple[str, float],
    best: float,
) -> str:
    series = f" of {chosen[0]}" if len(accuracy) > 1 else ""
    words = [
        f"Accuracy of each {option} that was tried.",
        f"The ring marks the chosen one{series}, {chosen[1]:.3g} ({best:.4f}).",
    ]
    if len(values) > 1 and chosen[1] in (values[0], values[-1]):
        way = "smaller" if chosen[1] == values[0] else "larger"
        words.append(f"It is at the end of the range: a {way} one may be better.")
    lost = sum(value is None for right in accuracy.values() for value in right)
    if lost:
        words.append(f"{lost} of them came to no finite or converged fit and have no mark.")
    return " ".join(words)
