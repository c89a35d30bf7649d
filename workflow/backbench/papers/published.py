"""What was published of a system: the words of a ``papers/NAME.yaml``, checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from backbench import schema
from backbench.metrics import catalogue
from backbench.schema import ConfigError, Range, refuse

Where = Mapping[str, Any]
Value = float | str | tuple[float, ...] | None

OF_CLASS = ("precision", "recall", "f1")
ELBOW, SHARES, CHOSEN = "elbow", "majority_shares", "chosen"
# What is derived from clusterings and is not a metric of a record.
DERIVED = (ELBOW, SHARES, CHOSEN)


@dataclass(frozen=True)
class Images:
    """What images were used and where a stranger gets them; `digest`, `n` and `classes` where they are known."""

    words: str
    digest: str | None = None
    n: Annotated[int | None, Range(low=1)] = None
    classes: Annotated[int | None, Range(low=1)] = None


@dataclass(frozen=True)
class Input:
    """An option that the user has to give, and what belongs there."""

    option: str
    words: str


@dataclass(frozen=True)
class Answer:
    """A question that several figures answer together: which of them gives the published value."""

    question: str
    figures: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A published figure and where ours stands.

    `where` holds parameters of the runs that it is of (`Row.params`); a seed that is left open makes every seed a
    sample. `published` is None where nothing was published. `category` (``class`` in the YAML) is that of a precision,
    recall or F1. `decimals` are those of the figure as it is shown: of 55.34 %, which is 0.5534 with `percent`, two.
    """

    name: str
    metric: str
    published: Value = None
    called: str | None = None
    part: Literal["train", "validation", "test"] | None = None
    category: str | None = None
    percent: bool = False
    decimals: Annotated[int, Range(low=0, high=8)] = 2
    differs: str | None = None
    where: Where = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.metric not in (*OF_CLASS, *DERIVED) and not catalogue.known(self.metric):
            raise refuse(f"metric of {self.name!r}", self.metric, [*catalogue.names(), *OF_CLASS, *DERIVED])
        if (self.metric in OF_CLASS) != (self.category is not None):
            raise ConfigError(
                f"figure {self.name!r}: received metric={self.metric!r} and class={self.category!r}; "
                f"{', '.join(OF_CLASS)} are of a class, and no other metric is."
            )


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Kinds of pictures of the first run that matches `where`."""

    kinds: tuple[str, ...]
    where: Where = field(default_factory=dict)


@dataclass(frozen=True)
class Export:
    """The parameters of the run whose artefacts are exported; empty for none."""

    where: Where = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Published:
    """A paper: what its system did, on what, what its figures measure, and the figures."""

    name: str
    title: str
    system: str
    measures: str
    images: Images
    figures: tuple[Figure, ...]
    inputs: tuple[Input, ...] = ()
    answers: tuple[Answer, ...] = ()
    pictures: tuple[Pictures, ...] = ()
    export: Export = field(default_factory=Export)


def read(path: Path) -> Published:
    """The paper in a YAML file.

    Raises
    ------
    ConfigError
        For a file that is no YAML, an unknown or missing key, or a value that is not allowed there.
    """
    import yaml

    try:
        body = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"papers/{path.name} cannot be read as YAML: {error}") from error
    return parse(path.stem, body)


def parse(name: str, body: Any) -> Published:
    """The paper `name` from a plain mapping; see `read`."""
    if not isinstance(body, Mapping):
        raise refuse(name, body, "a mapping")
    paper = schema.parse(Published, {**_plain(body, name), "name": name}, name)
    known = [figure.name for figure in paper.figures]
    if twice := next((figure for figure in known if known.count(figure) > 1), None):
        raise ConfigError(f"{name}.figures: received the name {twice!r} twice; give each figure a name of its own.")
    for figure in (figure for answer in paper.answers for figure in answer.figures):
        if figure not in known:
            raise refuse(f"{name}.answers", figure, known)
    return paper


def _plain(value: Any, where: str) -> Any:
    """`value` without what is null, the texts of folded blocks stripped, and ``class`` called `category`."""
    if isinstance(value, Mapping):
        if "category" in value:
            raise refuse(where, "category", "class")
        return {_RENAMED.get(key, key): _plain(item, where) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_plain(item, where) for item in value]
    return value.strip() if isinstance(value, str) else value


_RENAMED = {"class": "category"}
