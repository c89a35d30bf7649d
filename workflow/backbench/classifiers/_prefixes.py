"""Models of which the smaller is the beginning of the larger: each kind is made once and answers at every size."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from functools import partial

from backbench import classifiers, threads
from backbench.classifiers import Prediction

Make = Callable[[classifiers.Task, Collection[int]], dict[int, Prediction]]


class Prefixes:
    """What members answer; those that differ by their size alone are of one kind. The models are not kept.

    Parameters
    ----------
    members : all members of the family
    field : name of the option that is the size
    make : from one member of a kind and all sizes asked of that kind, the answers by size
    """

    def __init__(self, members: Sequence[classifiers.Task], field: str, make: Make):
        self._field, self._make, self._once = field, make, threads.Once()
        self._asked: dict[tuple, list[classifiers.Task]] = {}
        for member in members:
            self._asked.setdefault(self._kind(member), []).append(member)

    def ahead(self) -> list[classifiers.Task]:
        """One member of each kind to be made ahead: of those that several ask for, or of all if they are few.

        Made when first asked, a kind would keep the threads of its other members waiting.
        """
        few = len(self._asked) < threads.available()
        return [members[0] for members in self._asked.values() if few or len(members) > 1]

    def make_beside(self) -> None:
        """Make what is to be made ahead, each kind by one thread."""
        for _ in threads.as_done(self.attempt, self.ahead()):
            pass

    def attempt(self, task: classifiers.Task) -> tuple[dict[int, Prediction], Exception | None]:
        """The answers of the member's kind by size, or the error that making it raised."""
        kind = self._kind(task)
        sizes = {self._size(member) for member in self._asked[kind]}
        return self._once.attempt(kind, partial(self._make, self._asked[kind][0], sizes))

    def answer(self, task: classifiers.Task) -> Prediction:
        """What the member answers; raises the error that making its kind raised."""
        found, error = self.attempt(task)
        if error is not None:
            raise error
        return found[self._size(task)]

    def _size(self, task: classifiers.Task) -> int:
        return getattr(task.params, self._field)

    def _kind(self, task: classifiers.Task) -> tuple:
        options = asdict(task.params)
        del options[self._field]
        return (task.seed, *options.items())
