"""``backbench server``: a tracking server for a team."""

import argparse

from backbench.cli import ports
from backbench.sweeping.describing import say
from backbench.tracking import hosting, pages


def run(args: argparse.Namespace) -> int:
    with hosting.only_one(pages.reachable(args.host, args.port)):
        host = hosting.Host(args.host, args.port, say)
        host.clear()
        ports.check(args.host, args.port, lambda free: f"type backbench server --port {free}")
        try:
            host.run()
        except hosting.Failed as error:
            say(str(error))
            return 1
    return 0
