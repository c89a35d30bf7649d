"""The answer of a launch: shown once, as soon as the runs are joined; MLflow, pictures and the report follow it."""

import contextlib
from collections.abc import Callable, Iterator

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

    `after` are the seconds that what follows the results was announced to take.
    """

    def __init__(self, plan: Plan, store: Store, show: Show | None = None, after: float = 0.0):
        self.plan, self.store, self.show, self.after = plan, store, show, after
        self.shown: tuple[Records, SweepAnswer] | None = None

    @property
    def ready(self) -> bool:
        """Whether the runs are joined and wait for being shown; results that are not of this plan are not there."""
        return self.show is not None and self.shown is None and (self.plan.folder / ledger.RESULTS).exists()

    def early(self) -> None:
        """Show the answer while Snakemake goes on, and say what follows; a terminal that is closed stops nothing."""
        with contextlib.suppress(OSError):
            self._shown(ledger.joined_records(self.plan))
            coming = launching.coming(self.plan)
            if coming:
                took = f", in about {duration(self.after)}" if self.after > 1 else ""
                say(f"The answer is complete; {listed(coming)} follow{'s' * (len(coming) == 1)}{took}.")

    def last(self) -> tuple[Records, SweepAnswer]:
        """The records and their answer when the jobs have ended; what there is, where they did not end well.

        Snakemake joined them where all went well, and nothing is written twice.
        """
        records, answer = self.shown or self._shown(self._records())
        answer.write()
        if not launching.page(self.plan).exists() and any(row.heads for row in answer.rows):
            pages.write(answer)
        return records, answer

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

    def _shown(self, records: Records) -> tuple[Records, SweepAnswer]:
        rows = ledger.rows(self.plan, records)
        answer = SweepAnswer(self.plan, rows, self.store, panel.counting("resampling images"))
        if self.show is not None:
            self.show(answer)
        self.shown = records, answer
        return self.shown
