"""What was published of a system: the words of a ``papers/NAME.yaml``, checked."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from backbench import schema
from backbench.metrics import catalogue
from backbench.schema import ConfigError, Range, refuse

T = TypeVar("T")
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
    where: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Pictures:
    """Kinds of pictures of the first run that matches `where`."""

    where: Mapping[str, Any]
    kinds: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Published:
    """A paper: what its system did, on what, what its figures measure, and the figures.

    `export` holds the parameters of the run whose artefacts are exported, None for none.
    """

    name: str
    title: str
    system: str
    measures: str
    images: Images
    inputs: tuple[Input, ...]
    figures: tuple[Figure, ...]
    answers: tuple[Answer, ...]
    pictures: tuple[Pictures, ...]
    export: Mapping[str, Any] | None


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
    found = _mapping(body, name, ("title", "system", "measures", "images", "figures"), _OPTIONAL)
    figures = tuple(_figure(one, f"{name}.figures[{at}]") for at, one in enumerate(_list(found, "figures", name)))
    _once([one.name for one in figures], f"{name}.figures")
    paper = Published(
        name=name,
        **{key: _text(found[key], f"{name}.{key}") for key in ("title", "system", "measures")},
        images=_parsed(Images, found["images"], f"{name}.images"),
        inputs=_each(Input, found, "inputs", name),
        figures=figures,
        answers=_each(Answer, found, "answers", name),
        pictures=tuple(_pictures(one, f"{name}.pictures") for one in _list(found, "pictures", name)),
        export=_export(found.get("export"), f"{name}.export"),
    )
    for answer in paper.answers:
        for one in answer.figures:
            if one not in (known := [figure.name for figure in figures]):
                raise refuse(f"{name}.answers", one, known)
    return paper


_OPTIONAL = ("inputs", "answers", "pictures", "export")
_RENAMED = {"class": "category"}


def _figure(body: Any, where: str) -> Figure:
    fields = [one.name for one in dataclasses.fields(Figure) if one.name != "category"]
    body = _mapping(body, where, ("name", "metric"), (*fields, *_RENAMED))
    plain = {_RENAMED.get(key, key): value for key, value in body.items() if key != "where"}
    found = _parsed(Figure, plain, where)
    found = dataclasses.replace(found, where=_conditions(body.get("where"), f"{where}.where"))
    if found.metric not in (*OF_CLASS, *DERIVED) and not catalogue.known(found.metric):
        raise refuse(f"{where}.metric", found.metric, [*catalogue.names(), *OF_CLASS, *DERIVED])
    if (found.metric in OF_CLASS) != (found.category is not None):
        raise ConfigError(
            f"{where}: received metric={found.metric!r} and class={found.category!r}; {', '.join(OF_CLASS)} are of a "
            "class, and no other metric is."
        )
    return found


def _pictures(body: Any, where: str) -> Pictures:
    body = _mapping(body, where, ("where", "kinds"))
    kinds = tuple(_text(kind, f"{where}.kinds") for kind in _list(body, "kinds", where))
    return Pictures(_conditions(body["where"], f"{where}.where"), kinds)


def _export(body: Any, where: str) -> Mapping[str, Any] | None:
    return None if body is None else _conditions(_mapping(body, where, ("where",))["where"], f"{where}.where")


def _conditions(body: Any, where: str) -> Mapping[str, Any]:
    """Parameters and the values that they are to have."""
    body = {} if body is None else body
    if not isinstance(body, Mapping) or any(isinstance(value, Mapping) for value in body.values()):
        raise refuse(where, body, "a mapping of parameters such as {backbone.name: pixels, k: 10}")
    return dict(body)


def _each(cls: type[T], found: Mapping[str, Any], key: str, name: str) -> tuple[T, ...]:
    return tuple(_parsed(cls, one, f"{name}.{key}[{at}]") for at, one in enumerate(_list(found, key, name)))


def _parsed(cls: type[T], body: Any, where: str) -> T:
    """`cls` from a mapping, the texts of folded blocks without the newline at their end."""
    if not isinstance(body, Mapping):
        raise refuse(where, body, "a mapping")
    return schema.parse(cls, {key: _stripped(value) for key, value in body.items()}, where)


def _stripped(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise refuse(where, value, "text")
    return value.strip()


def _list(body: Mapping[str, Any], key: str, where: str) -> Sequence[Any]:
    found = body.get(key) or []
    if not isinstance(found, list):
        raise refuse(f"{where}.{key}", found, "a list")
    return found


def _mapping(body: Any, where: str, needed: Sequence[str], more: Sequence[str] = ()) -> Mapping[str, Any]:
    """`body` if it is a mapping with the keys that it needs and no others than these and `more`."""
    if not isinstance(body, Mapping):
        raise refuse(where, body, f"a mapping with {', '.join(needed)}")
    allowed = sorted({*needed, *more})
    for key in body:
        if key not in allowed:
            raise refuse(where, key, allowed)
    if missing := [key for key in needed if body.get(key) is None]:
        raise ConfigError(f"{where}: missing {', '.join(missing)}.")
    return body


def _once(found: Iterable[str], where: str) -> None:
    seen: set[str] = set()
    for name in found:
        if name in seen:
            raise ConfigError(f"{where}: received the name {name!r} twice; give each figure a name of its own.")
        seen.add(name)
