"""``backbench app``: the page of the runs made here, by streamlit."""

import argparse
import importlib.util
import os
import signal
import subprocess
import sys
import time
import urllib.request
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from backbench import app
from backbench.app import choices, trying
from backbench.cli import ports
from backbench.evaluate import chosen
from backbench.schema import ConfigError

HOST, PORT = "127.0.0.1", 8501
NEEDS = ("streamlit", "plotly")
SERVER = Path(app.__file__).with_name("server.py")
FLAGS = {
    "server.address": HOST,
    "server.headless": True,
    "server.maxUploadSize": trying.MEGABYTES,
    "server.fileWatcherType": "none",
    "server.showEmailPrompt": False,
    "browser.gatherUsageStats": False,
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",
    "global.developmentMode": False,
}
# Seconds for the server to answer, and to end by itself.
START, END = 120, 10


def run(args: argparse.Namespace) -> int:
    _check_installed()
    asked = None if args.hash in (None, chosen.BEST) else args.hash
    choices.plans(asked)  # refuses what the page could not show
    port = ports.free(HOST, PORT) if args.port is None else args.port
    ports.check(HOST, port, lambda free: f"type backbench app --port {free}")
    address = f"http://{HOST}:{port}"
    try:
        with _stopped_by_signals(), _server(port, asked) as server:
            return _served(server, address, not args.no_browser)
    except KeyboardInterrupt:
        return 0


def _served(server: "subprocess.Popen[bytes]", address: str, browser: bool) -> int:
    """Wait for the page, say where it is, and wait for its end; returns the exit status."""
    if not _answers(address, server):
        print("backbench app: the page did not start; what streamlit wrote is above", file=sys.stderr)
        return 1
    print(f"The page is at {address} (Ctrl-C ends it)", flush=True)
    if browser:
        webbrowser.open(address)
    return 1 if server.wait() else 0


def command(port: int) -> list[str]:
    """The command that serves the page."""
    flags = [f"--{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in FLAGS.items()]
    return [sys.executable, "-m", "streamlit", "run", str(SERVER), f"--server.port={port}", *flags]


def _check_installed() -> None:
    missing = [name for name in NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"the page needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed; "
            "type: pip install 'backbench[app]' (in a checkout: pip install -e '.[app]')."
        )


@contextmanager
def _server(port: int, run: str | None) -> Iterator["subprocess.Popen[bytes]"]:
    """The server in a process of its own, which ends with this block."""
    environment = {**os.environ, choices.ASKED: run or ""}
    process = subprocess.Popen(command(port), env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end the page as Ctrl-C does."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _answers(address: str, server: "subprocess.Popen[bytes]") -> bool:
    """Whether the server answers before it ends or the time is over."""
    until = time.monotonic() + START
    while time.monotonic() < until and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=5):
                return True
        except OSError:
            time.sleep(0.1)
    return False
