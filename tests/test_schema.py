"""Typed parameters: what is accepted, what is refused, and what the refusal says."""

from dataclasses import dataclass
from typing import Annotated, Literal

import pytest

from backbench import schema
from backbench.schema import ConfigError, Range


@dataclass(frozen=True)
class Image:
    size: Annotated[int, Range(1, 4096)]


@dataclass(frozen=True)
class Params:
    n: Annotated[int, Range(1)]
    tol: Annotated[float, Range(above=0)]
    mode: Literal["ward", "average"]
    gamma: Annotated[float, Range(above=0)] | Literal["scale"]
    limit: int | None
    widths: tuple[int, ...]
    image: Image
    warm: bool = False


GOOD = {
    "n": 3,
    "tol": 0.1,
    "mode": "ward",
    "gamma": "scale",
    "limit": None,
    "widths": [4, 2],
    "image": {"size": 28},
}


def parse(**changes):
    return schema.parse(Params, {**GOOD, **changes}, "thing")


def test_numbers_take_the_type_that_the_schema_says():
    params = parse(n=10.0, tol=1)
    assert (params.n, type(params.n), params.tol, type(params.tol)) == (10, int, 1.0, float)
    assert schema.canonical(params) == schema.canonical(parse(n=10, tol=1.0))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n": "42"}, ["thing.n", "'42'", "a whole number"]),
        ({"n": True}, ["thing.n", "a whole number"]),
        ({"n": 0}, ["thing.n", "0", ">= 1"]),
        ({"n": 2.5}, ["thing.n", "2.5"]),
        ({"tol": 0.0}, ["thing.tol", "> 0"]),
        ({"tol": float("nan")}, ["thing.tol", "nan"]),
        ({"tol": float("inf")}, ["thing.tol", "inf"]),
        ({"mode": "wart"}, ["thing.mode", "average", "Did you mean 'ward'"]),
        ({"gamma": "skale"}, ["thing.gamma", "scale"]),
        ({"widths": "42"}, ["thing.widths", "a list of a whole number"]),
        ({"image": 3}, ["thing.image", "a mapping"]),
        ({"image": {"sise": 3}}, ["thing.image", "'sise'", "Did you mean 'size'"]),
        ({"nn": 1}, ["'nn'", "Did you mean 'n'"]),
    ],
)
def test_a_refusal_says_what_was_received_and_what_is_allowed(change, words):
    with pytest.raises(ConfigError) as caught:
        parse(**change)
    for word in words:
        assert word in str(caught.value)


def test_a_missing_key_is_named():
    with pytest.raises(ConfigError, match="missing tol"):
        schema.parse(Params, {key: value for key, value in GOOD.items() if key != "tol"}, "thing")


def test_a_later_option_at_its_default_leaves_the_canonical_form_alone():
    assert "warm" not in schema.canonical(parse())
    assert "warm" not in schema.canonical(parse(warm=False))
    assert schema.canonical(parse(warm=True))["warm"] is True
