"""The probes by name, in the order in which their findings are shown."""

import importlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from backbench.findings import Finding


@dataclass(frozen=True)
class Probe:
    """A function of a module of this room; it is stopped after `seconds`, and `hung` says what to type then."""

    module: str
    function: str
    seconds: float
    hung: str

    def look(self, options: Sequence[str]) -> Iterable[Finding]:
        """What it finds; `options` are those that Snakemake would be given."""
        module = importlib.import_module(f"backbench.doctor.{self.module}")
        findings: Iterable[Finding] = getattr(module, self.function)(options)
        return findings


_MOUNT = "a file system does not answer: `df -h` shows which; tell its administrator, or name another folder with"
PROBES = {
    "environment": Probe("environment", "look", 20, "the environment lies on a slow file system: move .venv"),
    "machine": Probe("hardware", "machine_has", 10, "type: nproc; free -m"),
    "gpu": Probe("hardware", "gpu", 30, "the driver hangs; until it answers, set execution.device=cpu"),
    "results": Probe("folders", "results", 10, f"{_MOUNT} BACKBENCH_RESULTS"),
    "store": Probe("folders", "store", 10, f"{_MOUNT} BACKBENCH_STORE"),
    "downloads": Probe("folders", "downloads", 10, f"{_MOUNT} BACKBENCH_DOWNLOADS"),
    "tmpdir": Probe("folders", "tmpdir", 10, f"{_MOUNT} TMPDIR"),
    "mlflow": Probe("services", "mlflow", 15, "MLflow does not answer: check tracking.uri and MLFLOW_TRACKING_URI"),
    "weights": Probe("services", "weights", 15, "no answer: set TORCH_HOME and HF_HOME to folders that answer"),
    "slurm": Probe("scheduler", "look", 45, "SLURM does not answer: type sinfo, and tell its administrator"),
}
