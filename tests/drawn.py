"""What a picture shows, and whether it can be read: texts that are cut off, or that cover one another."""

import hashlib
import itertools

from backbench.plots import Heading, Picture, _files

HEADING = Heading("A title", "a run, a data set (100 images)", "run 0123456789ab")
SCRIPTS = ("北京烤鸭", "مرحبا بالعالم", "नमस्ते दुनिया", "한국어", "Ελληνικά", "", "a\nb\u202ec")


def names(count: int) -> list[str]:
    """Names in several scripts, of 300 signs, empty ones, and some that are told apart by their end alone."""
    every = [*SCRIPTS, "x" * 300, "T-shirt/top"]
    return [f"{every[at % len(every)]}{at // len(every) or ''}" for at in range(count)]


def digest(picture: Picture) -> str:
    """SHA-256 of the picture as a file; pytest takes many minutes to explain two files that differ."""
    return hashlib.sha256(_files.png(picture)).hexdigest()


def artists(picture: Picture, gid: str, panel: int = 0) -> list:
    """Artists of a panel with an id."""
    return [own for own in picture.figure.axes[panel].findobj() if own.get_gid() == gid]


def texts(picture: Picture) -> list:
    """Texts that are drawn and say something, those of the figure with them."""
    from matplotlib.text import Text

    picture.figure.draw_without_rendering()
    found = [text for text in picture.figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    hidden = {id(own) for axes in picture.figure.axes if not axes.axison for own in (axes.xaxis, axes.yaxis)}
    inside = {
        id(text) for axes in picture.figure.axes for axis in (axes.xaxis, axes.yaxis) for text in _of(axis, hidden)
    }
    return [text for text in found if id(text) not in inside]


def _of(axis, hidden: set[int]) -> list:
    """Texts of an axis that are not shown: of one that is switched off, and of ticks out of view."""
    from matplotlib.text import Text

    if id(axis) in hidden:
        return axis.findobj(Text)
    shown = {id(own) for tick in axis._update_ticks() for own in (tick.label1, tick.label2)}
    every = [own for tick in (*axis.majorTicks, *axis.minorTicks) for own in (tick.label1, tick.label2)]
    return [own for own in every if id(own) not in shown]


def unreadable(picture: Picture, slack: float = 2.0) -> list[str]:
    """Texts that reach beyond the edge of the figure, and pairs that overlap by more than `slack` pixels both ways."""
    from matplotlib.text import Text

    # Of an annotation, the text without its arrow.
    found = [(text.get_text(), Text.get_window_extent(text)) for text in texts(picture)]
    whole = picture.figure.bbox
    cut = [f"cut off: {said}" for said, box in found if min(box.x0, box.y0, whole.x1 - box.x1, whole.y1 - box.y1) < -1]
    return cut + [
        f"{one} / {other}"
        for (one, a), (other, b) in itertools.combinations(found, 2)
        if min(a.x1, b.x1) - max(a.x0, b.x0) > slack and min(a.y1, b.y1) - max(a.y0, b.y0) > slack
    ]
