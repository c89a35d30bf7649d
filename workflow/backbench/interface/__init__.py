"""backbench in Python: the words of the command line as functions.

``import backbench`` offers them. Everything heavy is imported when a function is called.

Imports `sweeping`, `inference` and layers below.
"""

from backbench.interface.asking import answer, leaderboard, runs
from backbench.interface.launching import Outlook, Sweep, plan, sweep
from backbench.interface.recorded import Run, run
from backbench.interface.watching import status

__all__ = ["Outlook", "Run", "Sweep", "answer", "leaderboard", "plan", "run", "runs", "status", "sweep"]
