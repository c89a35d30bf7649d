"""Identity: equal values hash equally, all others do not."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backbench import hashing

LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8)
)


def trees(leaves, keys):
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
    )


TREES = trees(LEAVES, st.text(max_size=5))
# Few leaves, so that two trees often meet, and all of them alike in something but their type.
ALIKE = (None, False, True, 0, 1, 10, 0.0, -0.0, 1.0, 10.0, "", "0", "1", "10", "10.0", "true", "null")
FEW = trees(st.sampled_from(ALIKE), st.sampled_from("ab"))


@st.composite
def neighbours(draw):
    """A tree and one that differs from it in the type of some leaves, or in nothing but the order of keys."""
    value = draw(TREES | FEW)
    return value, retyped(shuffled(value), lambda leaf: draw(st.sampled_from([leaf, *casts(leaf)])))


def casts(leaf):
    """What a careless canonical form takes for the same."""
    types = (bool, int, float) if isinstance(leaf, (int, float)) and abs(leaf) < 2**53 else ()
    return [str(leaf), [leaf], {"": leaf}, *(kind(leaf) for kind in types if kind is bool or kind(leaf) == leaf)]


def retyped(value, cast):
    """A tree with each leaf replaced by what `cast` makes of it."""
    if isinstance(value, dict):
        return {key: retyped(item, cast) for key, item in value.items()}
    return [retyped(item, cast) for item in value] if isinstance(value, list) else cast(value)


def shuffled(value):
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(list(value))}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


def typed(value):
    """A form in which 1, 1.0 and True differ, as they do in the hash."""
    if isinstance(value, dict):
        return ("dict", tuple(sorted((key, typed(item)) for key, item in value.items())))
    if isinstance(value, list):
        return ("list", tuple(map(typed, value)))
    return (type(value).__name__, repr(value))


@given(TREES)
def test_key_order_does_not_count(value):
    assert hashing.digest(value) == hashing.digest(shuffled(value))


@given(neighbours() | st.tuples(FEW, FEW))
@example((10, 10.0))
@example(({"k": [1]}, {"k": [True]}))
@example((0.0, -0.0))
def test_digests_are_equal_where_values_and_types_are_and_nowhere_else(pair):
    value, other = pair
    assert (hashing.digest(value) == hashing.digest(other)) == (typed(value) == typed(other))


def test_pairs_of_equal_and_of_different_values_are_both_tried():
    tried = set()

    @settings(derandomize=True, database=None, max_examples=100)
    @given(neighbours())
    def collect(pair):
        tried.add(typed(pair[0]) == typed(pair[1]))

    collect()
    assert tried == {True, False}


def test_golden_digests():
    value = {"name": "kmeans", "n_init": 4, "tol": 1e-4, "steps": [True, None, "ü"]}
    assert hashing.canonical_json(value) == '{"n_init":4,"name":"kmeans","steps":[true,null,"\\u00fc"],"tol":0.0001}'
    assert hashing.digest(value) == "ccf459c6b51dfb3ab4330cb5f625841d6a6b89b32103c54d47896d076d3fc25c"
    assert (
        hashing.array_digest(np.arange(6, dtype=np.int64).reshape(2, 3))
        == "3dc4c301f8b6c921c919ae9017d176172c20a4cb1170b5c6f90d146aba1f0c53"
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1: 2}, {"a": object()}, b"bytes", {"a": {1, 2}}])
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(TypeError):
        hashing.digest(value)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"runs": {}, "shards": [], "text": "é", "number": 1.5, "none": None},
        {"b": {"y": {"z": (1, 2)}, "x": [True, {"\u00fc": 0.1}]}, "a": [[1], {"c": 2}], "10": {"2": 1, "10": 2}},
    ],
)
def test_a_large_mapping_has_the_digest_that_it_has_whole(value):
    assert hashing.large_digest(value) == hashing.digest(value)


@pytest.mark.parametrize("value", [{"a": {"b": {1: 2}}}, {"a": [float("nan")]}, {"a": {"b": {2}}}])
def test_a_large_mapping_is_checked_as_well(value):
    with pytest.raises(TypeError):
        hashing.large_digest(value)


def test_an_array_is_more_than_its_bytes():
    zeros = np.zeros(8, dtype=np.int64)
    others = [zeros.reshape(2, 4), zeros.astype(np.int32), zeros.astype(np.float64), zeros[:7]]
    digests = {hashing.array_digest(array) for array in [zeros, *others]}
    assert len(digests) == 5
    assert hashing.array_digest(np.arange(8)[::2]) == hashing.array_digest(np.array([0, 2, 4, 6]))


def test_a_file_of_many_blocks_and_its_array_agree_with_hashlib(tmp_path):
    import hashlib

    content = np.random.default_rng(0).integers(0, 256, hashing.BLOCK + 17, dtype=np.uint8)
    (tmp_path / "file").write_bytes(content.tobytes())
    assert hashing.file_digest(tmp_path / "file") == hashlib.sha256(content.tobytes()).hexdigest()
    head = f"{content.dtype.str}{list(content.shape)}".encode()
    assert hashing.array_digest(content) == hashlib.sha256(head + content.tobytes()).hexdigest()
