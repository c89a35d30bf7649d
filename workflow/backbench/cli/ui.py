"""``backbench ui``: MLflow's own pages."""

import argparse
import socket

from backbench import tracking
from backbench.schema import ConfigError


def run(args: argparse.Namespace) -> int:
    with socket.socket() as probe:
        if probe.connect_ex((args.host, args.port)) == 0:
            raise ConfigError(f"--port: received {args.port}; something listens there already. Name another port.")
    try:
        tracking.ui(tracking.address(args.uri), tracking.artifact_root(), args.port, args.host)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return 0
