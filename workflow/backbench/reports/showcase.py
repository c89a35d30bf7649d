"""What the answer looks like: the chosen clusters as rows of their images, the worst errors, and nearest images.

The page holds these images itself, so that it can be passed on alone; where they would take more than their part of it,
the last images of each row are left out.
"""

import base64
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING

from backbench import hashing
from backbench.answers import naming
from backbench.engine.results.joined_run import Row
from backbench.evaluate.judging import Judgement
from backbench.pictures import examples
from backbench.pictures.source import Source
from backbench.pictures.thumbnails import PNG
from backbench.reports._part import Part
from backbench.store import StoreError
from backbench.wording import counted, shorten

if TYPE_CHECKING:
    from backbench.pictures.thumbnails import Thumbnail

# Pixels of the page that an image is high at least.
HEIGHT = 128
# A wide image is less high, so that it is at most so wide; the words below an image have at least so much room.
WIDTH, LEAST = 360, 96
# Pixels of a character of these words.
CHARACTER = 6.3
CLUSTERS, FEWER = 30, 12
TYPICAL, DOUBTFUL = 8, 3
ERRORS = 16
QUERIES, WORST, NEAREST = 6, 2, 8
ALTERNATIVES = 3
# Characters of page that the images of all data sets take at most.
LIMIT = 5_000_000
RIGHT, WRONG, OTHER, PLAIN = "right", "wrong", "other", ""


@dataclass(frozen=True)
class Tile:
    """An image of the page: `uri` is empty where its file cannot be read any more.

    `width` and `height` are CSS pixels; `exact` images are shown pixel by pixel. `lines` stand below it and then its
    file, `path` names it in full, and `opens` starts a group with these words. `mark` is ``right``, ``wrong``,
    ``other`` (not of the majority of its cluster) or empty.
    """

    row: int
    lines: tuple[str, ...]
    path: str
    mark: str = PLAIN
    opens: str = ""
    uri: str = ""
    width: int = HEIGHT
    height: int = HEIGHT
    exact: bool = False

    @property
    def room(self) -> int:
        """CSS pixels for the words below."""
        return max(self.width, LEAST)

    @property
    def file(self) -> str:
        """The name of its file, shortened in the middle to what has room: names often differ at their end."""
        return shorten(PurePath(self.path).name, int(self.room / CHARACTER))


@dataclass(frozen=True)
class Strip:
    """Images in a row below one another's: its name, the lines below the name, and its images."""

    name: str
    lines: tuple[str, ...]
    tiles: tuple[Tile, ...]


@dataclass(frozen=True)
class Scene:
    """Strips with a heading and a sentence; `more` says what is not shown, `run` is the run that it is of.

    `wraps` is whether the images go on in the next line instead of beyond the edge.
    """

    key: str
    title: str
    about: str
    run: str
    strips: tuple[Strip, ...]
    more: str = ""
    wraps: bool = False


@dataclass(frozen=True)
class Showcase:
    """The scenes of a data set, the chosen clusters first; `alternatives` are other clusterings to look at."""

    scenes: tuple[Scene, ...] = ()
    alternatives: tuple[Scene, ...] = field(default=())

    def __bool__(self) -> bool:
        return bool(self.scenes or self.alternatives)


def showcase(part: Part, judgement: Judgement | None = None, limit: int = LIMIT) -> Showcase:
    """The images of the answer on a data set.

    `judgement` says which clustering was chosen where there are no classes; without one, it is what the policy chose.
    `limit` is how many characters of the page the images may take.
    """
    if not part.images:
        return Showcase()
    clusterings = _clusterings(part, judgement)
    first, others = clusterings[0] if clusterings else None, clusterings[1:]
    makers: list[Callable[[], Scene | None]] = [partial(_clusters, part, first, CLUSTERS)] if first else []
    makers += [partial(_errors, part, row) for row in _best(part, "classification")]
    makers += [partial(_nearest, part, row) for row in _retrieved(part, first)]
    scenes = [scene for make in makers if (scene := _there(make))]
    alternatives = [scene for row in others if (scene := _there(partial(_clusters, part, row, FEWER)))]
    return _drawn(part, Showcase(tuple(scenes), tuple(alternatives)), limit)


def _there(make: Callable[[], Scene | None]) -> Scene | None:
    """A scene; None where there is none, or the arrays that it takes are not in the store any more."""
    try:
        return make()
    except StoreError:
        return None


def _clusterings(part: Part, judgement: Judgement | None) -> list[Row]:
    """The run of the chosen clustering, then those of its alternatives."""
    table = part.table("clustering")
    if table is not None and table.spec.space is None:
        return _best(part, "clustering")
    if judgement is not None:
        judged = (judgement.chosen, *judgement.alternatives) if judgement.chosen else ()
        keys = [choice.candidate.run for choice in judged]
    else:
        choices = [choice["decision"]["chosen"] for choice in part.chosen]
        keys = [choice["run"] for choice in choices if choice]
    rows = {row.config_hash: row for row in part.rows}
    return [rows[key] for key in dict.fromkeys(keys) if key in rows][: 1 + ALTERNATIVES]


def _best(part: Part, head: str) -> list[Row]:
    """The run at the top of a leaderboard, if there is one."""
    table = part.table(head)
    return [table.entries[0].row] if table and table.entries else []


def _retrieved(part: Part, chosen: Row | None) -> list[Row]:
    """The run whose nearest images are shown: the best, else that of the chosen clustering, else any."""
    others = [*([chosen] if chosen else []), *part.rows]
    return _best(part, examples.RETRIEVAL) or [row for row in others if examples.RETRIEVAL in row.run.stages][:1]


def _clusters(part: Part, row: Row, most: int) -> Scene | None:
    source = Source(row, part.store)
    if examples.without(source, "clustering"):
        return None
    clusters, count = examples.clusters(source, most, TYPICAL, DOUBTFUL)
    hidden = count - sum(cluster.number >= 0 for cluster in clusters)
    more = f"{counted(hidden, 'smaller cluster')} not shown." if hidden else ""
    about = "The largest cluster comes first. Of each: the images that fit it best, then those that fit it worst."
    strips = tuple(_cluster(source, cluster) for cluster in clusters)
    name = f"The {counted(count, 'cluster')} of {naming.named(row, 'clustering').whole}"
    return Scene("clusters", name, about, hashing.short(row.config_hash), strips, more)


def _cluster(source: Source, cluster: examples.Cluster) -> Strip:
    name = "noise" if cluster.number == examples.NOISE else f"cluster {cluster.number}"
    lines = [counted(cluster.size, "image")]
    if cluster.majority is not None and cluster.share is not None:
        lines.append(f"{100 * cluster.share:.0f}\N{NO-BREAK SPACE}% {source.names[cluster.majority]}")

    def mark(row: int) -> str:
        return OTHER if cluster.majority is not None and source.truth[row] != cluster.majority else PLAIN

    tiles = [_tile(source, row, _class(source, row), mark(row)) for row in (*cluster.typical, *cluster.doubtful)]
    if cluster.doubtful:
        at = len(cluster.typical)
        tiles[at] = replace(tiles[at], opens="fit worst")
    return Strip(name, tuple(lines), tuple(tiles))


def _errors(part: Part, row: Row) -> Scene | None:
    source = Source(row, part.store)
    if examples.without(source, "classification"):
        return None
    wrong = examples.errors(source, ERRORS)
    if not wrong.tested:
        return None
    name, run = f"The worst errors of {naming.named(row, 'classification').whole}", hashing.short(row.config_hash)
    if not wrong.wrong:
        return Scene("errors", name, f"None: all {counted(wrong.tested, 'test image')} are right.", run, ())
    order = "Those it is surest of come first." if wrong.ordered else "The most frequent confusions come first."
    verb = "is" if wrong.wrong == 1 else "are"
    about = f"{wrong.wrong:,} of {counted(wrong.tested, 'test image')} {verb} wrong."
    about += f" {order}" if wrong.wrong > 1 else ""
    sure = [""] * len(wrong.rows)
    if wrong.probabilities is not None:
        sure = [f", {100 * value:.0f}\N{NO-BREAK SPACE}% sure" for value in wrong.probabilities]
    tiles = [
        _tile(source, at, (f"{_called(source, at)} taken for {source.names[source.predictions[at]]}{more}",))
        for at, more in zip(wrong.rows, sure, strict=True)
    ]
    return Scene("errors", name, about, run, (Strip("", (), tuple(tiles)),), wraps=True)


def _nearest(part: Part, row: Row) -> Scene | None:
    source = Source(row, part.store)
    if examples.without(source, examples.RETRIEVAL):
        return None
    strips = tuple(_query(source, query) for query in examples.queries(source, QUERIES, WORST, NEAREST))
    about = "Each row is a query and the images nearest to it, the nearest first."
    if source.names:
        about += " A check marks those of its class, a cross the others; the last queries are among the worst."
    name = f"Nearest images with {naming.named(row, examples.RETRIEVAL).whole}"
    return Scene("nearest", name, about, hashing.short(row.config_hash), strips)


def _query(source: Source, query: examples.Query) -> Strip:
    marks = [PLAIN] * len(query.nearest)
    lines = list(_class(source, query.row))
    if query.right is not None:
        marks = [RIGHT if right else WRONG for right in query.right]
        lines.append(f"{sum(query.right)} of {len(query.right)} right")
    first = _tile(source, query.row, ("query",))
    tiles = [_tile(source, row, _class(source, row), mark) for row, mark in zip(query.nearest, marks, strict=True)]
    if tiles:
        tiles[0] = replace(tiles[0], opens="nearest")
    return Strip(PurePath(examples.name(source, query.row)).name, tuple(lines), (first, *tiles))


def _tile(source: Source, row: int, lines: Sequence[str], mark: str = PLAIN) -> Tile:
    path = examples.name(source, row)
    return Tile(int(row), tuple(lines), path, mark)


def _class(source: Source, row: int) -> tuple[str, ...]:
    return (_called(source, row),) if source.names else ()


def _called(source: Source, row: int) -> str:
    return source.names[source.truth[row]]


def _drawn(part: Part, whole: Showcase, limit: int) -> Showcase:
    """The scenes with their images, as many of each strip as `limit` characters have room for."""
    rows = sorted({tile.row for tile in _tiles(whole)})
    thumbnails = Source(next(row for row in part.rows if "images" in row.stages), part.store).thumbnails
    images = dict(zip(rows, thumbnails.thumbnails(rows), strict=True))
    uris = {row: _uri(image) for row, image in images.items() if image}
    deepest = _deepest(whole, uris, limit)

    def scene(shown: Scene) -> Scene:
        strips = (
            replace(strip, tiles=tuple(map(tile, strip.tiles if shown.wraps else strip.tiles[:deepest])))
            for strip in shown.strips
        )
        return replace(shown, strips=tuple(strips))

    def tile(shown: Tile) -> Tile:
        image = images[shown.row]
        return shown if image is None else _sized(shown, image, uris[shown.row])

    return Showcase(tuple(map(scene, whole.scenes)), tuple(map(scene, whole.alternatives)))


def _tiles(whole: Showcase) -> Iterator[Tile]:
    for scene in (*whole.scenes, *whole.alternatives):
        for strip in scene.strips:
            yield from strip.tiles


def _deepest(whole: Showcase, uris: dict[int, str], limit: int) -> int:
    """How many images of each strip have room."""
    strips = [strip for scene in (*whole.scenes, *whole.alternatives) for strip in scene.strips]
    deepest = max((len(strip.tiles) for strip in strips), default=0)
    while deepest > 1 and sum(len(uris.get(t.row, "")) for strip in strips for t in strip.tiles[:deepest]) > limit:
        deepest -= 1
    return deepest


def _uri(image: "Thumbnail") -> str:
    return f"data:image/{image.format};base64,{base64.b64encode(image.content).decode('ascii')}"


def _sized(tile: Tile, image: "Thumbnail", uri: str) -> Tile:
    """The tile with its image; one of few pixels is enlarged by a whole number, so that these stay even."""
    exact, scale = image.format == PNG, min(HEIGHT / image.height, WIDTH / image.width)
    scale = math.ceil(scale) if exact else scale
    width, height = round(image.width * scale), round(image.height * scale)
    return replace(tile, uri=uri, width=width, height=height, exact=exact)
