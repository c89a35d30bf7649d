"""``backbench ui``: MLflow's own pages."""

import argparse
import errno
import shlex
import socket

from backbench import tracking
from backbench.schema import ConfigError

NEXT_PORTS = 50


def run(args: argparse.Namespace) -> int:
    _check_free(args)
    try:
        tracking.ui(tracking.address(args.uri), tracking.artifact_root(), args.port, args.host)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return 0


def _check_free(args: argparse.Namespace) -> None:
    """Refuse an address that a server cannot use, before MLflow takes half a minute to report it."""
    try:
        reason = _taken(args.host, args.port)
    except (socket.gaierror, UnicodeError):
        raise ConfigError(
            f"--host: received {args.host!r}; allowed: an address of this machine, such as 127.0.0.1."
        ) from None
    if reason is None:
        return
    if reason == errno.EADDRNOTAVAIL:
        raise ConfigError(
            f"--host: received {args.host!r}, which is not an address of this machine; allowed: 127.0.0.1, 0.0.0.0."
        )
    if reason == errno.EACCES:
        raise ConfigError(f"--port: received {args.port}; ports below 1024 are reserved. Choose a larger one.")
    free = next((port for port in range(args.port + 1, args.port + NEXT_PORTS) if _is_free(args.host, port)), None)
    words = ["backbench", "ui", "--port", str(free)] + (["--uri", args.uri] if args.uri else [])
    line = f" type {shlex.join(words)}" if free else " choose another port."
    raise ConfigError(
        f"--port: received {args.port}; the port is already in use. Open http://{args.host}:{args.port}, or{line}"
    )


def _is_free(host: str, port: int) -> bool:
    return port <= 65535 and _taken(host, port) is None


def _taken(host: str, port: int) -> int | None:
    """Why nothing can listen at an address, as an error number; None where it is free."""
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except OSError as error:
            return error.errno or errno.EADDRINUSE
    return None
