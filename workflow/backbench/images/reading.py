"""One pass over image files: each is read once, and decoded once for each scale that is needed.

This gives the identity of the file (SHA-256 of its bytes), the facts for the audit (perceptual hash, size, colour mode,
or the reason why it is not an image) and the pixels for every backbone. Blocks of files are read by as many threads as
there are cores, and returned in order. At most `AHEAD` blocks are read ahead, and decoding has a memory budget (see
``room``), however many and however large the files are.
"""

import errno
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from backbench import machine, threads
from backbench.images import _opening, _raw, content, decoding, phash, preparing, scaling
from backbench.images.bounds import Unreadable
from backbench.images.policy import Image as Policy

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

BLOCK, AHEAD = 16, 2
BY_NAME = _raw.SUFFIXES | set(_opening.BY_NAME)
STAMP = ("size", "mtime_ns", "ctime_ns", "inode")
# Errors that say nothing about the file, and must not be stored as the reason for leaving it out.
OF_THE_MACHINE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE})
NO_MEMORY = "there was not enough memory to read it; it is tried again the next time"

# What is known about a file, as plain JSON: its stamp and the ``sha256`` of its bytes; then the
# ``reason`` why it is not an image, or ``phash``, ``sides``, ``mode``, ``format``, ``peak``, ``pixels``, ``reduction``.
Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Look:
    """The outcome of reading a file: its facts, and its prepared pixels (size, size, channels) uint8 for each policy.

    `rows` is empty if the facts were known already.
    """

    facts: Facts
    rows: "Sequence[np.ndarray]" = ()


class Reader:
    """Reads files for a collection.

    Parameters
    ----------
    policies
        Ways to prepare an image; the pixels are prepared in each of them.
    bits
        How many of 16 bits are used where a file does not say (None: all).
    recall
        Facts of a file that has been read before, by the digest of its bytes; None if there are none.
    """

    def __init__(
        self,
        policies: Sequence[Policy] = (),
        bits: int | None = None,
        recall: Callable[[str], Facts | None] = lambda digest: None,
    ):
        self.policies, self.bits, self.recall = policies, bits, recall
        self._of_bits = {} if bits is None else {"bits": bits}
        self.leasts = [scaling.AUDIT, *(scaling.least(policy) for policy in policies)]

    def each(self, paths: Sequence[Path]) -> Iterator[list[Look]]:
        """Read all files, a block at a time, in the order of `paths`.

        Raises
        ------
        OSError
            If the machine cannot go on, as with too many open files. A bad file is no reason to stop.
        """
        blocks = (paths[first : first + BLOCK] for first in range(0, len(paths), BLOCK))
        with threads.beside(machine.cores()):
            yield from threads.in_order(lambda block: [self.look(path) for path in block], blocks, AHEAD)

    def look(self, path: Path) -> Look:
        """Read a file; whatever is wrong with it becomes its reason."""
        known: dict[str, Any] = {}
        try:
            held = content.read(path)
            known = {**dict(zip(STAMP, held.stamp, strict=True)), "sha256": held.sha256, **self._of_bits}
            # A file that is recognised by its name may have been read as something else under another name.
            seen = None if goes_by_name(path.name) else self.recall(held.sha256)
            return self._decoded(held, known) if seen is None else Look({**seen, **known})
        except content.Changed as error:
            return Look({"reason": str(error)})
        except MemoryError:  # perhaps the machine's fault: a file without a stamp is read again the next time
            return Look({"reason": NO_MEMORY})
        except OSError as error:
            if error.errno in OF_THE_MACHINE:
                raise
            if error.errno == errno.EIO:  # a network share that is briefly unavailable gives it too
                return Look({"reason": f"{error.strerror}; it is tried again the next time"})
            return Look({**(known or stamp(path) | self._of_bits), "reason": error.strerror or str(error)})
        except Unreadable as error:
            return Look({**(known or stamp(path) | self._of_bits), "reason": str(error)})
        except Exception as error:  # a file must not stop the others, whatever it does to the libraries that decode it
            return Look({**known, "reason": f"{type(error).__name__}: {error}"})

    def _decoded(self, held: content.Content, known: Facts) -> Look:
        with decoding.decode_each(held, self.bits, self.leasts) as (audited, *prepared):
            rows = [preparing.resize(*each) for each in zip(prepared, self.policies, strict=True)]
            return Look({**known, **facts_of(audited)}, rows)


def facts_of(decoded: decoding.Decoded) -> Facts:
    """The facts that follow from the pixels of an image, at the scale of the audit.

    ``reduction`` is that scale. ``pixels`` is the digest of the pixels, or of the sketch of a reduced image (see
    ``phash``), which is enough to find images that may be equal. ``spread`` is the standard deviation of the grey
    values, for images without structure to hash.
    """
    sketch = phash.sketch(decoded.image)
    value = phash.of_sketch(sketch)
    flat = {"spread": round(spread(decoded.image), 4)} if value == phash.NO_STRUCTURE else {}
    return {
        "phash": f"{value:016x}",
        "sides": list(decoded.sides),
        "mode": decoded.mode,
        "format": decoded.format,
        "peak": decoded.peak,
        "pixels": decoding.pixel_digest(decoded.image if decoded.reduction == 1 else sketch).hex(),
        "reduction": decoded.reduction,
        **flat,
    }


def stamp(path: str | Path) -> dict[str, int]:
    """Size, times and inode of a file; all -1 if it does not exist."""
    try:
        about = os.stat(path)  # noqa: PTH116 (a Path for each of 100,000 files costs more than the call itself)
    except OSError:
        return dict.fromkeys(STAMP, -1)
    return dict(zip(STAMP, (about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino), strict=True))


def whole_digest(path: Path, sha256: str, bits: int | None = None) -> str | None:
    """Digest of all pixels of a file, decoded whole; None if it no longer has the digest `sha256`."""
    held = content.read(path)
    if held.sha256 != sha256:
        return None
    with decoding.decode_each(held, bits, [None]) as (whole,):
        return decoding.pixel_digest(whole.image).hex()


def spread(image: "Image.Image") -> float:
    """Standard deviation of the grey values 0..255, computed from their histogram, without copying a large image."""
    from PIL import ImageStat

    return ImageStat.Stat(image.convert("L")).stddev[0]


def key_of(sha256: bytes, bits: int | None, name: str = "") -> bytes:
    """The key of prepared pixels and features: the digest of the bytes, and anything else that affects decoding.

    That is the number of bits in use, and the suffix of a file that is recognised by its name (camera raw files, TGA).
    """
    suffix = PurePath(name).suffix.lower().encode() if goes_by_name(name) else b""
    return hashlib.sha256(sha256 + bytes([bits or 0]) + suffix).digest() if bits or suffix else sha256


def goes_by_name(name: str) -> bool:
    """Whether the suffix of a file decides how it is read."""
    return PurePath(name).suffix.lower() in BY_NAME
