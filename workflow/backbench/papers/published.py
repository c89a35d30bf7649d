"""What was published of a system: the words of a ``papers/NAME.yaml``, checked."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from backbench import schema
from backbench.metrics import catalogue
from backbench.schema import ConfigError, Range, refuse

Where = Mapping[str, Any]
Value = float | str | tuple[float, ...] | None

OF_CLASS = ("precision", "recall", "f1")
ELBOW, SHARES, CHOSEN = "elbow", "majority_shares", "chosen"
# What is worked out from clusterings, and is no metric of a record.
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


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Kinds of pictures of the first run that matches `where`."""

    kinds: tuple[str, ...]
    where: Where = field(default_factory=dict)


@dataclass(frozen=True)
class Export:
    """The parameters of the run whose artefacts are exported."""

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
    export: Export | None = None


Selecting = TypeVar("Selecting", Figure, Pictures, Export)


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
    plain = {key: value for key, value in _mapping(_stripped(body), name).items() if value is not None}
    for key, item in (("figures", _figure), ("pictures", _pictures)):
        if isinstance(plain.get(key), list):
            plain[key] = [item(value, f"{name}.{key}[{at}]") for at, value in enumerate(plain[key])]
    if "export" in plain:
        plain["export"] = _selecting(Export, plain["export"], f"{name}.export")
    paper = schema.parse(Published, {"name": name, **plain}, name)
    known = [figure.name for figure in paper.figures]
    if twice := next((figure for figure in known if known.count(figure) > 1), None):
        raise ConfigError(f"{name}.figures: received the name {twice!r} twice; give each figure a name of its own.")
    for figure in (figure for answer in paper.answers for figure in answer.figures):
        if figure not in known:
            raise refuse(f"{name}.answers", figure, known)
    return paper


def _figure(body: Any, where: str) -> Figure:
    plain = dict(_mapping(body, where))
    if "category" in plain:
        raise refuse(where, "category", [*(key.name for key in dataclasses.fields(Figure)), "class"])
    if "class" in plain:
        plain["category"] = plain.pop("class")
    figure = _selecting(Figure, plain, where)
    if figure.metric not in (*OF_CLASS, *DERIVED) and not catalogue.known(figure.metric):
        raise refuse(f"{where}.metric", figure.metric, [*catalogue.names(), *OF_CLASS, *DERIVED])
    if (figure.metric in OF_CLASS) != (figure.category is not None):
        raise ConfigError(
            f"{where}: received metric={figure.metric!r} and class={figure.category!r}; {', '.join(OF_CLASS)} are of a "
            "class, and no other metric is."
        )
    return figure


def _pictures(body: Any, where: str) -> Pictures:
    return _selecting(Pictures, body, where)


def _selecting(cls: type[Selecting], body: Any, where: str) -> Selecting:
    """`cls` from a mapping, with the parameters of the runs that it is of."""
    plain = _mapping(body, where)
    wanted = plain.get("where") or {}
    if not isinstance(wanted, Mapping) or any(isinstance(value, Mapping) for value in wanted.values()):
        raise refuse(f"{where}.where", wanted, "a mapping of parameters such as {backbone.name: pixels, k: 10}")
    parsed = schema.parse(cls, {key: value for key, value in plain.items() if key != "where"}, where)
    return dataclasses.replace(parsed, where=dict(wanted))


def _mapping(body: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(body, Mapping):
        raise refuse(where, body, "a mapping")
    return body


def _stripped(value: Any) -> Any:
    """`value` with the texts of folded blocks without the newline at their end."""
    if isinstance(value, Mapping):
        return {key: _stripped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_stripped(item) for item in value]
    return value.strip() if isinstance(value, str) else value
