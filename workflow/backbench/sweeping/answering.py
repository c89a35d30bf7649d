"""The answer of a launch: shown once, as soon as the runs are joined; MLflow, pictures and the report follow it."""

import contextlib
import functools
import importlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from backbench import launching
from backbench.engine.plan.frozen import Plan
from backbench.engine.results import ledger
from backbench.engine.results.joined_run import Records
from backbench.engine.run import status
from backbench.evaluate.answer import SweepAnswer
from backbench.reports import sweep as pages
from backbench.store import Store
from backbench.sweeping import panel
from backbench.sweeping.describing import say
from backbench.wording import duration, listed

Show = Callable[[SweepAnswer], None]


class Answering:
    """The answer of the launch of a plan, computed once; `show` prints it, None where nobody wants it before the end.

    `after` are the seconds that what follows the results was announced to take. With `again`, the launch has results
    to compute: those that are joined already are of an earlier launch, and wait for being joined anew.
    """

    def __init__(self, plan: Plan, store: Store, show: Show | None = None, after: float = 0.0, again: bool = False):
        self.plan, self.store, self.show, self.after = plan, store, show, after
        self.shown: tuple[Records, SweepAnswer] | None = None
        self._joined = plan.folder / ledger.RESULTS
        self._before = _version(self._joined) if again else None
        self._tried = False

    def prepare(self) -> None:
        """Load the libraries that an answer takes, on the side: a second that nobody waits for while jobs run."""
        if self.show is not None:
            load = functools.partial(importlib.import_module, "statsmodels.stats.proportion")
            threading.Thread(target=load, daemon=True).start()

    @property
    def ready(self) -> bool:
        """Whether the runs are joined, and were not shown yet."""
        if self.show is None or self._tried:
            return False
        now = _version(self._joined)
        return now is not None and now != self._before

    def early(self) -> None:
        """Show the answer while Snakemake goes on, and say what follows; whatever goes wrong with it stops nothing."""
        self._tried = True
        records = ledger.joined_records(self.plan)
        if not records:
            return
        answer = self._answer(records)
        try:
            self._print(answer)
        except Exception as error:  # it is tried again at the end, and raised there
            with contextlib.suppress(OSError):
                say(f"the answer cannot be shown yet ({type(error).__name__}: {error})")
            return
        self.shown = records, answer
        coming = launching.coming(self.plan)
        if coming:
            took = f", in about {duration(self.after)}" if self.after > 1 else ""
            with contextlib.suppress(OSError):
                say(f"The answer is complete; {listed(coming)} follow{'s' * (len(coming) == 1)}{took}.")

    def last(self) -> tuple[Records, SweepAnswer]:
        """The records and their answer when the jobs have ended; what there is, where they did not end well.

        Snakemake joined them where all went well, and nothing is written twice.
        """
        shown = self.shown
        if not shown:
            records = self._records()
            shown = records, self._answer(records)
        records, answer = shown
        answer.write()
        if not launching.page(self.plan).exists() and any(row.heads for row in answer.rows):
            pages.write(answer)
        if not self.shown:
            self.shown = shown
            self._print(answer)
        return shown

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Where Ctrl-C ends this after the answer: say that it is complete, and what is missing."""
        try:
            yield
        except KeyboardInterrupt:
            coming = launching.coming(self.plan) if self.shown else []
            if coming:
                missing = f"{listed(coming)} {'is' if len(coming) == 1 else 'are'} missing"
                say(f"the answer above is complete; {missing}, and the same command continues with that")
            raise

    def _records(self) -> Records:
        """The records of the store, which are joined where they are not."""
        plan, store = self.plan, self.store
        records = ledger.read_records(plan, store)
        states = {key: status.state_of(plan.stages[key], record, store) for key, record in records.items()}
        if not ledger.joined(plan, states, status.scores_of(plan, records, states, store)):
            ledger.join(plan, records)
        return records

    def _answer(self, records: Records) -> SweepAnswer:
        rows = ledger.rows(self.plan, records)
        return SweepAnswer(self.plan, rows, self.store, panel.counting("resampling images"))

    def _print(self, answer: SweepAnswer) -> None:
        """Print an answer; where nobody reads it any more, rich would end the process."""
        if self.show is not None:
            with contextlib.suppress(OSError, SystemExit):
                self.show(answer)


def _version(path: Path) -> tuple[int, int] | None:
    """What a file that is written by renaming is known by; None where there is none."""
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_ino, about.st_mtime_ns
