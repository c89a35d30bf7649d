"""All probes at once, each in a process of its own: what hangs in the kernel cannot be stopped, only left behind."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence

from backbench.doctor.probes import PROBES, Probe
from backbench.findings import Finding, fail

LAST_WORDS = 200


def examine(
    options: Sequence[str] = (), names: Iterable[str] | None = None, probes: Mapping[str, Probe] = PROBES
) -> list[Finding]:
    """What the probes find, in their order; `options` are those that Snakemake would be given."""
    began = time.monotonic()
    running = {name: _started(name, options) for name in (probes if names is None else names)}
    return [finding for name in running for finding in _findings(name, probes[name], running[name], began)]


def _started(name: str, options: Sequence[str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "backbench.doctor", name, "--", *options]
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _findings(name: str, probe: Probe, process: subprocess.Popen[str], began: float) -> list[Finding]:
    """What a probe printed; that it hangs, or ended otherwise, is a finding too."""
    try:
        out, err = process.communicate(timeout=max(0.1, began + probe.seconds - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.kill()
        return [fail(name, f"no answer within {probe.seconds:.0f} s", probe.hung)]
    if process.returncode == 0:
        return [Finding(**record) for record in json.loads(out)]
    if process.returncode < 0:
        return [fail(name, f"the look at it was ended by {signal.Signals(-process.returncode).name}", probe.hung)]
    words = (err.strip().splitlines() or ["without a word"])[-1]
    return [fail(name, f"the look at it failed: {words[:LAST_WORDS]}", probe.hung)]
