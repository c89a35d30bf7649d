"""``backbench ui``: MLflow's own pages."""

import argparse

from backbench import tracking
from backbench.schema import ConfigError


def run(args: argparse.Namespace) -> int:
    try:
        tracking.ui(tracking.address(args.uri), tracking.artifact_root(), args.port, args.host)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return 0
