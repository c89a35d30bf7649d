"""One image file, read once: the digest of its bytes, and its pixels as the backbone takes them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backbench.images import content, decoding, scaling
from backbench.images.bounds import Unreadable
from backbench.images.content import Content
from backbench.images.decoding import Decoded

if TYPE_CHECKING:
    import numpy as np

    from backbench.inference.model import Model


@dataclass(frozen=True)
class Look:
    """A file: the SHA-256 of its bytes and its prepared pixels uint8 (:meth:`Model.prepare`), or why it is no image."""

    path: Path
    sha256: str = ""
    pixels: "np.ndarray | None" = None
    reason: str = ""


def look(path: Path, model: "Model") -> Look:
    """Read a file; whatever is wrong with it becomes its reason."""
    try:
        return look_at(content.read(path), model)
    except MemoryError:
        return Look(path, reason="there was not enough memory to read it")
    except Unreadable as error:
        return Look(path, reason=str(error))
    except OSError as error:
        return Look(path, reason=error.strerror or str(error))
    except ValueError as error:  # a name with a NUL byte
        return Look(path, reason=str(error))


def look_at(held: Content, model: "Model", also: Callable[[Decoded], None] = lambda decoded: None) -> Look:
    """The image in bytes that were read; whatever is wrong with them becomes its reason.

    `also` is given the decoded image, which it must not keep.
    """
    try:
        least = [scaling.least(policy) for policy in model.policies]
        with decoding.decode_each(held, model.about["bits"], least) as decoded:
            also(decoded[0])
            return Look(held.path, held.sha256, model.prepare(*decoded))
    except MemoryError:
        return Look(held.path, held.sha256, reason="there was not enough memory to decode it")
    except Unreadable as error:
        return Look(held.path, held.sha256, reason=str(error))
    except OSError as error:
        return Look(held.path, held.sha256, reason=error.strerror or str(error))
    except Exception as error:  # a file must not stop the others, whatever it does to the libraries that decode it
        return Look(held.path, held.sha256, reason=f"{type(error).__name__}: {error}")
