"""Twins: every pair within a distance and no other, like comparing all with all; hashes that mean something."""

import io
import itertools

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import scene
from PIL import Image

from backbench.datasets import _duplicates
from backbench.images import phash


def brute_force(hashes, distance):
    return [
        (i, j)
        for i, j in itertools.combinations(range(len(hashes)), 2)
        if hashes[i] and hashes[j] and (int(hashes[i]) ^ int(hashes[j])).bit_count() <= distance
    ]


@st.composite
def clustered(draw):
    """Hashes around a few centres, so that there are pairs at every small distance."""
    centres = draw(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=4))
    flips = st.lists(st.integers(0, 63), max_size=12)
    found = []
    for _ in range(draw(st.integers(0, 40))):
        value = draw(st.sampled_from(centres))
        for bit in draw(flips):
            value ^= 1 << bit
        found.append(value)
    return np.array(found, np.uint64)


@settings(deadline=None, max_examples=150)
@given(clustered(), st.integers(0, 16), st.booleans())
def test_all_near_pairs_are_found(hashes, distance, looked_up):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_duplicates, "LOOK_UP_COST", 0 if looked_up else 10**9)
        found = _duplicates.near_pairs(hashes, distance)
    assert found.dtype == np.int64 and found.shape == (len(found), 2)
    assert [tuple(pair) for pair in found.tolist()] == brute_force(hashes, distance)


def reachable(n, pairs):
    """Groups by walking from each image to all that it reaches, the plain way."""
    group = list(range(n))
    for _ in range(n):
        for i, j in pairs:
            group[i] = group[j] = min(group[i], group[j])
    return group


@settings(deadline=None)
@given(st.integers(1, 20), st.data())
def test_groups_are_connected_components(n, data):
    row = st.integers(0, n - 1)
    pairs = data.draw(st.lists(st.tuples(row, row).filter(lambda pair: pair[0] < pair[1]), max_size=20))
    found = _duplicates.groups(np.array(pairs, np.int64).reshape(-1, 2), n)
    assert found.dtype == np.int64 and found.tolist() == reachable(n, pairs)


@settings(deadline=None)
@given(clustered().filter(len), st.integers(0, 8))
def test_near_groups_are_those_of_the_pairs(hashes, distance):
    expected = _duplicates.groups(_duplicates.near_pairs(hashes, distance), len(hashes))
    assert _duplicates.near_groups(hashes, distance).tolist() == expected.tolist()


@given(st.lists(st.binary(max_size=1)))
def test_exact_groups_are_named_by_their_first(digests):
    assert _duplicates.exact_groups(digests).tolist() == [digests.index(digest) for digest in digests]


def test_of_a_hundred_thousand_hashes_few_pairs_are_compared(monkeypatch):
    compared, count = [], np.bitwise_count
    monkeypatch.setattr(np, "bitwise_count", lambda bits: compared.append(len(bits)) or count(bits))
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, 100_000, np.uint64)
    hashes[50_000:50_100] = hashes[:100] ^ np.uint64(0b1011)
    found = _duplicates.near_pairs(hashes, 4)
    assert 100 < sum(compared) < len(hashes) ** 2 / 2 / 1000
    assert found.tolist() == [[row, 50_000 + row] for row in range(100)]


def test_many_copies_are_no_many_pairs():
    hashes = np.repeat(np.array([5, 7, 2**63], np.uint64), 40_000)
    assert np.unique(_duplicates.near_groups(hashes, 1)).tolist() == [0, 80_000]


# The hash itself


@pytest.mark.parametrize("number", range(5))
def test_the_hash_is_that_of_the_library(number):
    assert f"{phash.of(scene(number)):016x}" == str(imagehash.phash(scene(number)))


@pytest.mark.parametrize("levels", [2, 3, 256])
@pytest.mark.parametrize("sides", [(28, 28), (5, 9), (8, 40), (200, 300)])
def test_the_hash_is_that_of_the_library_on_noise(sides, levels):
    values = np.random.default_rng(0).integers(0, levels, sides) * 255 // (levels - 1)
    image = Image.fromarray(values.astype(np.uint8))
    assert f"{phash.of(image):016x}" == str(imagehash.phash(image))


def distance(one: Image.Image, other: Image.Image) -> int:
    return (phash.of(one) ^ phash.of(other)).bit_count()


def test_what_looks_the_same_is_near():
    image, buffer = scene(1), io.BytesIO()
    image.save(buffer, "JPEG", quality=60)
    assert distance(image, Image.open(buffer)) <= 4
    assert distance(image, image.resize((300, 250))) <= 4
    assert min(distance(scene(i), scene(j)) for i, j in itertools.combinations(range(12), 2)) > 8


FLAT = {
    "black": Image.new("RGB", (50, 40)),
    "white": Image.new("RGB", (50, 40), "white"),
    "grey": Image.new("RGB", (7, 9), (128, 127, 129)),
    "one pixel": Image.new("RGB", (1, 1), "red"),
    "gradient": Image.linear_gradient("L").convert("RGB"),
    "rounding": Image.fromarray(np.random.default_rng(0).integers(127, 129, (64, 64), np.uint8)).convert("RGB"),
}


@pytest.mark.parametrize("name", FLAT)
def test_images_without_structure_have_no_hash(name):
    assert phash.of(FLAT[name]) == _duplicates.NO_STRUCTURE


def test_images_without_structure_are_nobodys_twins():
    hashes = np.array([phash.of(image) for image in FLAT.values()] + [3, 3], np.uint64)
    assert _duplicates.near_pairs(hashes, 16).tolist() == [[6, 7]]
    assert _duplicates.near_groups(hashes, 16).tolist() == [0, 1, 2, 3, 4, 5, 6, 6]
