"""``backbench export --mlflow`` and ``--register``: the run as an MLflow model."""

import argparse
from pathlib import Path

from backbench import tracking
from backbench.inference import fitting
from backbench.inference.model import Model
from backbench.pictures.source import Source
from backbench.schema import ConfigError
from backbench.sweeping.describing import say
from backbench.tracking import models, registry


def asked(args: argparse.Namespace) -> bool:
    """Whether an MLflow model is to be written.

    Raises
    ------
    ConfigError
        If an option that concerns it is given without it, or the name to register is none.
    """
    if args.register is not None:
        registry.checked(args.register)
    wanted = bool(args.mlflow or args.register)
    if args.no_neighbours and not wanted:
        raise ConfigError("--no-neighbours concerns the MLflow model; give --mlflow or --register NAME too.")
    return wanted


def fitted(source: Source) -> Model:
    """The model of a run, before anything is written.

    Raises
    ------
    ConfigError
        If it cannot be used on new images elsewhere; says why.
    """
    model = fitting.fit(source, say)
    assert model.policy is not None  # refuses backbones that cannot be taken away
    return model


def write(args: argparse.Namespace, source: Source, model: Model, folder: Path) -> int:
    """Write the MLflow model into the folder of an export, and register it if that is asked for; the exit status."""
    path = models.write(source, model, folder, not args.no_neighbours, say)
    print(path)
    say(f"serve it: mlflow models serve -m {path} --env-manager local --port 5001")
    if not args.register:
        return 0
    try:
        registered = registry.register(args.register, path, model.run, tracking.address(args.uri))
    except tracking.TrackingUnavailable as error:
        say(str(error))
        return 1
    already = "" if registered.new else " has the same content: nothing was added"
    say(f"models:/{registered.name}/{registered.version}{already}")
    return 0
