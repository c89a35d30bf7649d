"""``backbench ui``: MLflow's own pages."""

import argparse
import shlex

from backbench import tracking
from backbench.cli import ports
from backbench.schema import ConfigError


def run(args: argparse.Namespace) -> int:
    ports.check(args.host, args.port, lambda free: f"type {shlex.join(_words(args, free))}")
    try:
        tracking.ui(tracking.address(args.uri), tracking.artifact_place(), args.port, args.host)
    except (ValueError, tracking.TrackingUnavailable) as error:
        raise ConfigError(str(error)) from error
    return 0


def _words(args: argparse.Namespace, port: int) -> list[str]:
    """The command with another port."""
    return ["backbench", "ui", "--port", str(port)] + (["--uri", args.uri] if args.uri else [])
