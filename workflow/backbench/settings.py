"""Settings that are never hashed: checked, and handed to the jobs through the environment."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backbench import machine
from backbench.schema import ConfigError, refuse

KEEP_IMAGES, JOB_MINUTES = "BACKBENCH_KEEP_IMAGES", "BACKBENCH_JOB_MINUTES"
# What becomes of an extraction whose GPU is lost midway; the first is the default.
ON_DEVICE_LOSS = ("fail", "cpu")
# A setting of each group, for who gives the group itself a value.
EXAMPLES = {"execution": "execution.device=cpu", "store": "store.root=FOLDER", "tracking": "tracking.uri=ADDRESS"}

# What the last call of `apply` changed: variable -> (value before, value set).
_CHANGED: dict[str, tuple[str | None, str | None]] = {}


def apply(settings: Mapping[str, Any], explicit: frozenset[str] = frozenset()) -> None:
    """Put settings into the environment, in place of those of an earlier call.

    A setting at its default leaves the variable to the user, unless it is one of `explicit`, the keys that were asked
    for by name: the variable is then unset.

    Raises
    ------
    ConfigError
        For a value that is not allowed.
    """
    values = _values(settings)
    for name, (before, ours) in _CHANGED.items():
        if os.environ.get(name) == ours:
            _put(name, before)
    _CHANGED.clear()
    for key, (name, value) in values.items():
        if value is not None or key in explicit:
            text = None if value is None else str(value)
            _CHANGED[name] = (os.environ.get(name), text)
            _put(name, text)


def artifact_root(root: Any) -> str | None:
    """The address of a folder of artifacts that a team shares, from a path or an address.

    Raises
    ------
    ConfigError
        For a path that would mean another folder to each of them.
    """
    if root is None or "://" in str(root) or str(root).startswith("file:/"):
        return root
    path = Path(str(root)).expanduser()
    if not path.is_absolute():
        raise ConfigError(
            f"tracking.artifacts: received {root!r}; allowed: an absolute path, an address such as s3://."
        )
    return path.as_uri()


def memory_mb(settings: Mapping[str, Any]) -> int:
    """MB of memory that a job may have.

    Raises
    ------
    ConfigError
        For a value that is not allowed.
    """
    asked = settings.get("execution", {}).get("memory_mb")
    if asked is not None and (not isinstance(asked, int) or asked < 1):
        raise ConfigError(f"execution.memory_mb: received {asked!r}; allowed: a whole number of MB >= 1, or null.")
    return asked or machine.memory_mb()


def job_minutes() -> float | None:
    """Minutes that the jobs of a cluster are packed to; None: the profile of the cluster says it."""
    text = os.environ.get(JOB_MINUTES)
    return float(text) if text else None


def _group(settings: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The settings of a group by name."""
    group = settings.get(name, {})
    if not isinstance(group, Mapping):
        raise ConfigError(f"{name}: received {group!r}; allowed: a setting of the group, such as {EXAMPLES[name]}.")
    return group


def _values(settings: Mapping[str, Any]) -> dict[str, tuple[str, Any]]:
    """By the key of a setting, its variable and its value, None where that is the default."""
    execution, store, tracking = (_group(settings, name) for name in ("execution", "store", "tracking"))
    device, batch = execution.get("device", "auto"), execution.get("batch_size")
    if device not in ("auto", "cpu", "cuda") and not str(device).startswith("cuda:"):
        raise ConfigError(f"execution.device: received {device!r}; allowed: auto, cpu, cuda, cuda:N.")
    if batch is not None and (not isinstance(batch, int) or batch < 1):
        raise ConfigError(f"execution.batch_size: received {batch!r}; allowed: a whole number >= 1, or null.")
    lost = execution.get("on_device_loss", ON_DEVICE_LOSS[0])
    if lost not in ON_DEVICE_LOSS:
        raise refuse("execution.on_device_loss", lost, ON_DEVICE_LOSS)
    minutes = execution.get("job_minutes")
    if minutes is not None and (isinstance(minutes, bool) or not isinstance(minutes, int | float) or minutes <= 0):
        raise ConfigError(f"execution.job_minutes: received {minutes!r}; allowed: minutes > 0, or null.")
    keep = store.get("keep_images", False)
    if not isinstance(keep, bool):
        raise refuse("store.keep_images", keep, ("true", "false"))
    return {
        "execution.device": ("BACKBENCH_DEVICE", None if device == "auto" else device),
        "execution.batch_size": ("BACKBENCH_BATCH_SIZE", batch),
        "execution.on_device_loss": ("BACKBENCH_ON_DEVICE_LOSS", None if lost == ON_DEVICE_LOSS[0] else lost),
        "execution.job_minutes": (JOB_MINUTES, minutes),
        "store.keep_images": (KEEP_IMAGES, 1 if keep else None),
        "store.root": ("BACKBENCH_STORE", store.get("root")),
        "tracking.uri": ("MLFLOW_TRACKING_URI", tracking.get("uri")),
        "tracking.artifacts": ("MLFLOW_DEFAULT_ARTIFACT_ROOT", artifact_root(tracking.get("artifacts"))),
    }


def _put(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
