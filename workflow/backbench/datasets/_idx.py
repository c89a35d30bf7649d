"""Reader for the IDX files of MNIST-like collections.

Format: http://yann.lecun.com/exdb/mnist: two zero bytes, a type byte, the number of dimensions, each dimension as a
big-endian 32-bit number, then the elements.
"""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

UNSIGNED_BYTE = 0x08


class IdxError(ValueError):
    """A file that does not hold the expected IDX array."""


def read(path: Path, shape: tuple[int, ...]) -> "np.ndarray":
    """The array (d1, ..., dm) uint8 of `shape` in an IDX file, gzipped if its name ends in ``.gz``.

    Never more than the expected number of bytes is unpacked, whatever the file claims.

    Raises
    ------
    IdxError
        If the file is damaged, cut short, too long, or holds another type or shape.
    """
    import numpy as np

    head = 4 + 4 * len(shape)
    size = head + math.prod(shape)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as handle:
            data = handle.read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise IdxError(f"{path} is damaged: {error}") from error
    if len(data) < head:
        raise IdxError(f"{path} is cut short: {len(data)} bytes, no IDX header")
    zeros, kind, dimensions = struct.unpack(">HBB", data[:4])
    if (zeros, kind, dimensions) != (0, UNSIGNED_BYTE, len(shape)):
        raise IdxError(f"{path} does not start as an IDX file of {len(shape)} dimensions: {data[:4].hex()}")
    stated = struct.unpack(f">{dimensions}I", data[4:head])
    if stated != shape:
        raise IdxError(f"{path} holds an array of shape {stated}, not {shape}")
    if len(data) != size:
        raise IdxError(f"{path} holds {'more' if len(data) > size else 'fewer'} bytes than its header says")
    return np.frombuffer(data, np.uint8, offset=head).reshape(shape)
