"""How the seconds of a fit grow with its rows, columns and clusters.

Plugins state their figures with it, measured by `benchmarks/scaling.py`. They change no result, and no digest of the
code counts them (`code.UNCOUNTED`).
"""

from dataclasses import dataclass

ROWS, COLUMNS, CLUSTERS = 10_000, 50, 10


@dataclass(frozen=True)
class Cost:
    """Seconds of one core at 10,000 rows, 50 columns and 10 clusters, and the powers by which they grow.

    Attributes
    ----------
    seconds : the work of each member of a family at that size
    n, d, k : exponents of the number of rows, columns and clusters
    shared : work that the members of a family share
    """

    seconds: float
    n: float
    d: float
    k: float = 0.0
    shared: "Cost | None" = None

    def at(self, n: int, d: int, k: int | None = None, members: int = 1) -> float:
        """Seconds of one of `members` members, with its part of the shared work."""
        seconds = self.seconds * (n / ROWS) ** self.n * (d / COLUMNS) ** self.d * ((k or CLUSTERS) / CLUSTERS) ** self.k
        return seconds + (self.shared.at(n, d) / members if self.shared else 0.0)


# A fit that nobody has measured
UNKNOWN = Cost(1.0, n=1.0, d=1.0)
