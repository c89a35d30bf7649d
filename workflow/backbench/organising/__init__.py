"""Organising: the photographs of a run in folders of their own, and the names that a person gives to its clusters.

:func:`plan` says what would go where, :func:`carry_out` links, copies or moves it, and :func:`undo` puts what was moved
back. :func:`names` and :func:`save_names` keep the names of clusters; :func:`label.collection` makes a labelled
collection of them. Imports `pictures`, `datasets`, `images` and layers below; numpy and scikit-learn inside functions
alone.
"""

from backbench.organising.doing import carry_out
from backbench.organising.moves import Plan, plan
from backbench.organising.naming import names, save_names
from backbench.organising.undoing import undo

__all__ = ["Plan", "carry_out", "names", "plan", "save_names", "undo"]
