"""The registry of the tracking server: a run's model in it, each content once."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from backbench.schema import ConfigError
from backbench.tracking import lookup, models, service

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.entities.model_registry import ModelVersion

READY: Literal["READY"] = "READY"


@dataclass(frozen=True)
class Registered:
    """A version of a registered model; `new` if it was not there before."""

    name: str
    version: str
    new: bool


def register(name: str, folder: Path, config_hash: str, uri: str) -> Registered:
    """Log the MLflow model in `folder` to the run that MLflow has of it, and register it as the next version of `name`.

    A version with the same config hash and the same content is left alone.

    Raises
    ------
    ConfigError
        If MLflow does not have the run.
    TrackingUnavailable
        If MLflow does not answer, or refuses.
    """
    service.check(uri)
    try:
        recorded = lookup.find(uri, config_hash)
    except LookupError as error:
        raise ConfigError(f"--register: {error}; `backbench track` records it.") from error
    with service.client(uri) as client:
        tags = {models.CONFIG_HASH: config_hash, models.CONTENT: models.digest(folder)}
        for version in _versions(client, name):
            if tags.items() <= version.tags.items():
                return Registered(name, str(version.version), new=False)
        logged = _logged(client, recorded, folder, tags)
        _named(client, name)
        # Not its address models:/ID, which MLflow would look up at the address of the process and not of the client.
        version = client.create_model_version(
            name, logged.artifact_location, recorded.run_id, tags, None, _described(recorded), model_id=logged.model_id
        )
        return Registered(name, str(version.version), new=True)


def _versions(client: "MlflowClient", name: str) -> "list[ModelVersion]":
    """All versions of a registered model; none if there is no such model."""
    versions: list[ModelVersion] = []
    token: Any = None
    while True:
        page = client.search_model_versions(f"name = '{checked(name)}'", max_results=200, page_token=token)
        versions += page
        token = page.token
        if not token:
            return versions


def _named(client: "MlflowClient", name: str) -> None:
    """Make the registered model, if there is none of that name."""
    if not client.search_registered_models(f"name = '{checked(name)}'"):
        client.create_registered_model(name)


def _logged(client: "MlflowClient", recorded: lookup.Recorded, folder: Path, tags: dict[str, str]) -> "LoggedModel":
    """Log the folder as a model of a run."""
    from mlflow.entities import LoggedModelOutput

    logged = client.create_logged_model(recorded.experiment_id, models.FOLDER, recorded.run_id, tags)
    client.log_model_artifacts(logged.model_id, str(folder))
    client.finalize_logged_model(logged.model_id, READY)
    client.log_outputs(recorded.run_id, [LoggedModelOutput(logged.model_id, 0)])
    return logged


def _described(recorded: lookup.Recorded) -> str:
    return f"backbench run {recorded.config_hash}"


def checked(name: str) -> str:
    """The name of a registered model, which MLflow's filters and addresses have to quote.

    Raises
    ------
    ConfigError
        If it cannot be the name of a registered model.
    """
    if not name.strip() or set(name) & set("'\"/:\\"):
        raise ConfigError(f"--register: received {name!r}; allowed: a name without quotes, slashes and colons.")
    return name
