"""``backbench status``: how a sweep stands, while it runs and afterwards."""

import argparse
import sys
import time

from backbench.sweeping import overview, overview_words
from backbench.sweeping.overview import Overview


def run(args: argparse.Namespace) -> int:
    view = overview.look(args.sweep)
    if args.watch is None or view.over:
        _print(view, args.format)
    elif args.format == "text" and sys.stdout.isatty():
        _live(view, args)
    else:
        _blocks(view, args)
    return 0


def _blocks(view: Overview, args: argparse.Namespace) -> None:
    """Print one overview after the other, until the sweep has ended."""
    while True:
        _print(view, args.format)
        if view.over:
            return
        time.sleep(args.watch)
        view = overview.look(args.sweep)


def _live(view: Overview, args: argparse.Namespace) -> None:
    """Keep one overview on a terminal, until the sweep has ended."""
    from rich.live import Live
    from rich.text import Text

    with Live(Text(overview_words.text(view)), auto_refresh=False, vertical_overflow="crop") as live:
        while not view.over:
            time.sleep(args.watch)
            view = overview.look(args.sweep)
            live.update(Text(overview_words.text(view)), refresh=True)


def _print(view: Overview, form: str) -> None:
    print(view.to_json() if form == "json" else overview_words.text(view), flush=True)
