"""Addresses that servers of this machine can listen at."""

import errno
import socket
from collections.abc import Callable

from backbench.schema import ConfigError

NEXT_PORTS = 50


def check(host: str, port: int, instead: Callable[[int], str]) -> None:
    """Refuse an address that a server cannot use, before a server takes long to report it.

    `instead` says what to type with the next port that is free.

    Raises
    ------
    ConfigError
        If it is not an address of this machine, or the port is reserved or in use.
    """
    try:
        reason = _taken(host, port)
    except (socket.gaierror, UnicodeError):
        raise ConfigError(
            f"--host: received {host!r}; allowed: an address of this machine, such as 127.0.0.1."
        ) from None
    if reason is None:
        return
    if reason == errno.EADDRNOTAVAIL:
        raise ConfigError(
            f"--host: received {host!r}, which is not an address of this machine; allowed: 127.0.0.1, 0.0.0.0."
        )
    if reason == errno.EACCES:
        raise ConfigError(f"--port: received {port}; ports below 1024 are reserved. Choose a larger one.")
    next_free = next((other for other in range(port + 1, port + NEXT_PORTS) if is_free(host, other)), None)
    line = instead(next_free) if next_free else "choose another port."
    raise ConfigError(f"--port: received {port}; the port is already in use. Open http://{host}:{port}, or {line}")


def free(host: str, port: int) -> int:
    """`port`, or the next one that is free; `port` itself where none is."""
    return next((other for other in range(port, port + NEXT_PORTS) if is_free(host, other)), port)


def is_free(host: str, port: int) -> bool:
    """Whether a server can listen there."""
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
