"""Identity: equal values hash equally, all others do not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbench import hashing

LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8)
)
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
)


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


@given(TREES, TREES)
def test_different_values_have_different_digests(one, other):
    assert (hashing.digest(one) == hashing.digest(other)) == (typed(one) == typed(other))


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
