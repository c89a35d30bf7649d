"""backbench: which frozen representation, clusterer, k and classifier suit an image collection.

In Python, the words of the command line:

    import backbench

    backbench.plan("photos", k=[5, 10])         # what a sweep would run
    sweep = backbench.sweep("photos")           # compute and record it
    print(sweep.answer)
    backbench.status()                          # how a sweep stands that runs elsewhere
    backbench.runs("k>=5")                      # a table of pandas
    backbench.leaderboard()
    run = backbench.run("best")                 # or a config hash
    run.predict(["new.jpg"])
    run.search("new.jpg")

docs/architecture.md says what stands where. What these names need is imported when one of them is first used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backbench.interface import Outlook, Run, Sweep, answer, leaderboard, plan, run, runs, status, sweep

__version__ = "0.1.0"

__all__ = ["Outlook", "Run", "Sweep", "answer", "leaderboard", "plan", "run", "runs", "status", "sweep"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from backbench import interface

    return getattr(interface, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
