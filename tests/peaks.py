"""The peak of memory of a process that a test starts, for scripts of it."""

# Unlike `ru_maxrss`, which begins with what the process that started this one held, it can begin anew (Linux alone).
SCRIPT = """
from pathlib import Path


def peak() -> int:
    with Path("/proc/self/status").open() as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024


def peak_from_now() -> int:
    Path("/proc/self/clear_refs").write_text("5")
    return peak()
"""
