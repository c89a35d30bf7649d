"""``backbench label``: a person names the clusters of a run, which makes a labelled collection of it."""

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from backbench import hashing, organising, paths
from backbench.cli.leaderboard import screen
from backbench.evaluate import chosen
from backbench.organising import label, naming, proposing
from backbench.organising.naming import Cluster
from backbench.pictures import index, ordering
from backbench.pictures.source import Source
from backbench.schema import ConfigError
from backbench.store import Store
from backbench.sweeping.describing import say
from backbench.wording import brief, counted

PICTURE = "cluster_samples"
FILES = "files"


def run(args: argparse.Namespace) -> int:
    store = Store(paths.store())
    source = Source(chosen.finished(args.hash, store, ("clustering",)), store)
    given = label.from_file(source, Path(args.names).expanduser()) if args.names else {}
    given |= label.from_words(source, _words(args.set))
    corrected = label.fixes(source, Path(args.fix).expanduser()) if args.fix else {}
    clusters = label.describe(source)
    if given:
        organising.save_names(source.row.config_hash, given)
        clusters = naming.clusters(source.row.config_hash)
    proposals = proposing.proposals(source, proposing.words(args.words)) if args.words else {}
    _show(clusters, proposals)
    print(naming.path(source.row.config_hash))
    named = sum(bool(cluster.name) for cluster in clusters)
    if (named and not proposals) or corrected or args.to:
        return _collection(source, args, corrected)
    _hints(source, store, proposals)
    return 0


def _words(words: Sequence[str]) -> dict[str, str]:
    """Names from ``3=boots``.

    Raises
    ------
    ConfigError
        If there is no equals sign, or a cluster is named twice.
    """
    names: dict[str, str] = {}
    for word in words:
        cluster, equals, name = word.partition("=")
        if not equals or cluster in names:
            problem = "names a cluster a second time" if equals else "has no ="
            raise ConfigError(f"--set {word}: this {problem}; allowed: CLUSTER=NAME, such as 3=boots.")
        names[cluster] = name
    return names


def _show(clusters: Sequence[Cluster], proposals: Mapping[int, proposing.Proposal]) -> None:
    """The clusters on the screen, with the words that are proposed for them."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("cluster", "images"):
        table.add_column(title, justify="right")
    table.add_column("name")
    if proposals:
        table.add_column("proposed")
        table.add_column("cosine", justify="right")
    table.add_column("nearest to the centre", overflow="ellipsis", no_wrap=True)
    for cluster in clusters:
        name = escape(brief(cluster.name)) if cluster.name else "–"
        near = proposals.get(cluster.number)
        proposed = [escape(brief(near.word)), f"{near.cosine:.3f}"] if near else ["", ""] if proposals else []
        table.add_row(str(cluster.number), escape(cluster.images), name, *proposed, escape(cluster.examples))
    screen(sys.stdout).print(table)


def _hints(source: Source, store: Store, proposals: Mapping[int, proposing.Proposal]) -> None:
    run = hashing.short(source.row.config_hash)
    (order,) = ordering.of_run(source.row, [PICTURE], store)
    entry = index.read(order.folder).get(order.name, {})
    drawn = index.there(order.folder, entry)
    say(f"the images of each cluster: {order.folder / entry['png'] if drawn else f'backbench plot {run} {PICTURE}'}")
    say(f"fill in the column `name` and type: backbench label {run}")
    given = [f"--set {shlex.quote(f'{number}={near.word}')}" for number, near in sorted(proposals.items())]
    say(f"or name them here: backbench label {run} {' '.join(given) or '--set 0=NAME --set 1=NAME'}")


def _collection(source: Source, args: argparse.Namespace, corrected: dict[int, str]) -> int:
    run = hashing.short(source.row.config_hash)
    if FILES not in source.info("dataset"):
        say("the names are saved; a labelled collection needs image files, which this collection does not have")
        return 0
    made = label.collection(source, Path(args.to) if args.to else label.default(source), corrected)
    classes = ", ".join(f"{brief(name)} {size:,}" for name, size in sorted(made.sizes.items()))
    say(f"{counted(sum(made.sizes.values()), 'labelled image')}: {classes}; {made.left_out:,} left out without a name")
    if made.corrected:
        say(f"{counted(made.corrected, 'label')} of single images from {args.fix}")
    print(made.path)
    say(f"sweep it: {made.command}")
    say(f"folders by these names: backbench organise {run} FOLDER")
    return 0
