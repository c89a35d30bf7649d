"""Kinds of pictures that go wrong, and one that does not: as processes of their own import them."""

import os
from dataclasses import dataclass

from backbench.pictures.catalogue import Kind
from backbench.plots import Heading, Picture, _style


@dataclass(frozen=True)
class Plain(Kind):
    """A picture of one number, whatever the run is."""

    title = "Plain"
    category = "Clustering"
    order = 1
    subjects = ("clustering",)
    across = leading = False
    code = "0" * 64

    def lacks(self, source):
        return None

    def draw(self, source, **options):
        with _style.style():
            figure = _style.figure(Heading("Plain", "", "run"), 2, 1)
            figure.subplots().plot([0, 1])
        return Picture(figure, {"x": [0, 1]}, f"caption of {self.name}")


class Raising(Plain):
    def draw(self, source, **options):
        raise ValueError("nothing to be seen")


class Dying(Plain):
    """As if the process had run out of memory."""

    def draw(self, source, **options):
        os._exit(9)


class Unknowing(Plain):
    def lacks(self, source):
        raise KeyError("n")
