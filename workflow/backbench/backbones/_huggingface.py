"""Files of the Hugging Face hub: taken from its cache or downloaded (imports its library inside functions)."""

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backbench.backbones import _hub
from backbench.schema import ConfigError

OF_WEIGHTS = "give backbone.weights=PATH"


def require(package: str, extra: str) -> None:
    """Raise ConfigError early if an optional package is not installed."""
    if importlib.util.find_spec(package) is None:
        raise ConfigError(f'backbone={extra} needs the package {package}; pip install "backbench[{extra}]".')


def options(where: str, path: Path) -> dict[str, Any]:
    """The options of a model in a JSON file of its repository.

    Raises
    ------
    ConfigError
        If it cannot be read or holds none; begins with `where`.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{where}: {path} cannot be read ({error}); fetch the model again.") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{where}: {path} holds no options; fetch the model again.")
    return content


def file(what: str, repository: str, names: Sequence[str], advice: str = OF_WEIGHTS) -> Path:
    """The first file of `names` in a repository of the hub; `advice` says how it can be supplied beside.

    Raises
    ------
    ConfigError
        If none is in the cache or can be downloaded; names the repository, the cache, and how to supply a file.
    """
    from huggingface_hub import constants, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    for name in names:
        try:
            cached = try_to_load_from_cache(repository, name)
        except HFValidationError as error:
            raise ConfigError(f"{what}: {repository!r} is no name on the hub ({error}); {advice}.") from error
        if isinstance(cached, str):
            return Path(cached)
    reason = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else _hub.unreachable(constants.ENDPOINT)
    if reason:
        return _absent(what, repository, names, reason, advice)
    return _download(what, repository, names, advice)


def _download(what: str, repository: str, names: Sequence[str], advice: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

    for name in names:
        try:
            return Path(hf_hub_download(repository, name))
        except LocalEntryNotFoundError as error:
            _absent(what, repository, names, str(error), advice)
        except EntryNotFoundError:
            continue
        except (HfHubHTTPError, OSError, ValueError) as error:
            _absent(what, repository, names, f"{type(error).__name__}: {error}", advice)
    return _absent(what, repository, names, "the repository has no such file", advice)


def _absent(what: str, repository: str, names: Sequence[str], reason: str, advice: str) -> Path:
    from huggingface_hub import constants

    kind = "weights" if advice == OF_WEIGHTS else "files"
    raise ConfigError(
        f"The {kind} of {what} were not found. Looked for {' or '.join(names)} of {repository} in "
        f"{constants.HF_HUB_CACHE}, then at {constants.ENDPOINT} ({reason}). Fetch them where there is a network "
        f"(HF_HOME says where they go), or {advice}."
    )
