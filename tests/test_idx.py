"""The IDX reader: whole files of the right shape, or an error."""

import gzip
import struct

import numpy as np
import pytest

from backbench.datasets import _idx


def idx_bytes(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


ARRAY = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_files_are_read(tmp_path, suffix):
    path = tmp_path / f"a-ubyte{suffix}"
    path.write_bytes(gzip.compress(idx_bytes(ARRAY)) if suffix else idx_bytes(ARRAY))
    np.testing.assert_array_equal(_idx.read(path, (2, 3, 4)), ARRAY)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "cut short"),
        (b"\0\0\x08", "cut short"),
        (idx_bytes(ARRAY)[:-1], "fewer bytes"),
        (idx_bytes(ARRAY) + b"\0", "more bytes"),
        (b"\0\0\x0d" + idx_bytes(ARRAY)[3:], "does not start as an IDX file"),
        (b"\1" + idx_bytes(ARRAY)[1:], "does not start as an IDX file"),
        (idx_bytes(ARRAY.reshape(3, 2, 4)), r"\(3, 2, 4\), not \(2, 3, 4\)"),
        (struct.pack(">HBB3I", 0, 8, 3, 2**31, 2**31, 2**31), ", not"),
    ],
)
def test_damaged_idx_files_are_refused(tmp_path, data, reason):
    path = tmp_path / "a-ubyte.gz"
    path.write_bytes(gzip.compress(data))
    with pytest.raises(_idx.IdxError, match=reason):
        _idx.read(path, (2, 3, 4))


def test_damaged_archives_are_refused(tmp_path):
    path, whole = tmp_path / "a-ubyte.gz", gzip.compress(idx_bytes(ARRAY))
    flipped = bytearray(whole)
    flipped[len(flipped) // 2] ^= 0xFF
    for data in (whole[:-9], whole[:20], b"no archive", bytes(flipped)):
        path.write_bytes(data)
        with pytest.raises(_idx.IdxError, match=r"a-ubyte\.gz is damaged"):
            _idx.read(path, (2, 3, 4))


def test_no_more_is_unpacked_than_expected(tmp_path):
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb", compresslevel=9) as handle:
        handle.write(idx_bytes(ARRAY))
        for _ in range(200):
            handle.write(bytes(1 << 20))
    with pytest.raises(_idx.IdxError, match="more bytes"):
        _idx.read(path, (2, 3, 4))
