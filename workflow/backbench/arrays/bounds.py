"""How large a table may be: a header of a few bytes can claim more memory than any machine has."""

from dataclasses import dataclass
from pathlib import Path

from backbench import machine
from backbench.schema import ConfigError

GIB = 1 << 30
MAX_GB = 100.0


@dataclass(frozen=True)
class Bounds:
    """At most `max_gb` GiB may be read from one file (None: limited by memory alone).

    `prefix` precedes the names of options in messages: ``dataset.``, ``backbone.``, or nothing.
    """

    max_gb: float | None = MAX_GB
    prefix: str = ""

    def check(self, path: Path, size: int, claim: str, in_memory: bool = True) -> None:
        """Raise ConfigError if `size` bytes exceed the limit, or the memory of this machine.

        Parameters
        ----------
        claim
            What takes this size, for the message.
        in_memory
            False for what stays on disk, which is not limited by memory.
        """
        if self.max_gb is not None and size > self.max_gb * GIB:
            raise ConfigError(
                f"{path}: {claim} would take {_gib(size)}; allowed: {self.max_gb:,g} GiB. If the file is meant to be "
                f"that large, raise {self.prefix}max_gb."
            )
        memory = machine.memory_mb() << 20
        if in_memory and size > memory:
            raise ConfigError(
                f"{path}: {claim} would take {_gib(size)}, but this machine has {_gib(memory)} of memory. Save the "
                "numbers as float32 in a .npy file, which is read from disk; or give a file with fewer rows."
            )


def _gib(size: int) -> str:
    return f"{size / GIB:,.1f} GiB"
