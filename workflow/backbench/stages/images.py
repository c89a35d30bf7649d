"""Stage ``images``: decoded, resized uint8 images (layer 2).

The pixels of a file are checked against the digest that the dataset stage recorded. An error says which image it is of.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from backbench import code, hashing, schema, threads
from backbench.datasets import _registry
from backbench.images import decoding, preparing
from backbench.images.preparing import Policy
from backbench.stage import Context, Inputs, Member, Outcome
from backbench.stages._partial import Partial, release

if TYPE_CHECKING:
    from PIL import Image

CHANNELS = {"RGB": 3, "L": 1}
# Rows of one task of a thread: decoding, digest and resizing free the interpreter, and processes were no quicker.
BLOCK = 16
MAPPED = 4096


def compute(members: Sequence[Member], inputs: Inputs, context: Context) -> Iterator[Outcome]:
    """Decode and resize for each member; a killed job goes on where it was.

    Raises
    ------
    ConfigError, Unreadable
        If the files are gone or are no longer those that the dataset stage saw.
    """
    for member in members:
        start = time.perf_counter()
        with _partial(member, inputs, context) as partial:
            policy = {key: value for key, value in member.config.items() if key != "root"}
            asked = member.config.get("root")
            _fill(partial, inputs, asked, schema.parse(Policy, policy, "image"), context.threads)
        seconds = time.perf_counter() - start
        info = {"shape": list(partial.array.shape)}
        yield Outcome(member.hash, info=info, arrays={"images": partial.array}, seconds=seconds)
        partial.discard()


def _partial(member: Member, inputs: Inputs, context: Context) -> Partial:
    size, channels = member.config["size"], CHANNELS[member.config["mode"]]
    shape = (inputs.info("dataset")["n"], size, size, channels)
    key = hashing.digest({"member": member.hash, "code": code.digest([__name__])})
    return Partial(context.scratch, shape, "uint8", key, context.progress)


def source(inputs: Inputs, asked: str | None = None) -> Callable[[int], "Image.Image"]:
    """The function that gives the image of a row; its files are read in the folder `asked`, or where they are found."""
    info = inputs.info("dataset")
    if "files" not in info:
        from PIL import Image

        pixels = inputs.array("dataset", "pixels", mmap=True)

        def image(row: int) -> "Image.Image":
            if row % MAPPED == 0:
                release(pixels)
            return Image.fromarray(pixels[row])

        return image
    root = _registry.locate(info["digest"], info["files"], [Path(asked or info["root"]), Path(info["root"])])
    digests = inputs.array("dataset", "file_digests")
    return lambda row: _file(root, info["files"][row], digests[row].tobytes(), info.get("bits"))


def name_of(inputs: Inputs, row: int) -> str:
    """What the image of a row is called: its path within the collection, or its number."""
    files = inputs.info("dataset").get("files")
    return f"image {row}" if files is None else files[row]


@contextlib.contextmanager
def named(name: str) -> Iterator[None]:
    """Whatever happens to an image as an error that names it.

    Raises
    ------
    Unreadable
        In place of any error but those of the system and those that are Unreadable already.
    """
    try:
        yield
    except (OSError, decoding.Unreadable):
        raise
    except MemoryError as error:
        raise decoding.Unreadable(f"{name}: not enough memory for it; use fewer threads") from error
    except Exception as error:  # Pillow's errors for one image would leave no trace of which it was
        raise decoding.Unreadable(f"{name}: {type(error).__name__}: {error}") from error


def _file(root: Path, name: str, digest: bytes, bits: int | None) -> "Image.Image":
    path, why = root / name, ""
    try:
        image = decoding.rgb(path, bits)
    except FileNotFoundError:
        raise decoding.Unreadable(f"{path} is gone; put it back, or launch again to go on without it") from None
    except decoding.Unreadable as error:
        image, why = None, f" ({error})"
    if image is None or decoding.pixel_digest(image) != digest:
        _registry.forget(root, name)  # its size and time may be as before, so that the next launch has to look again
        raise decoding.Unreadable(f"{path} has changed since the folder was fingerprinted{why}; launch again")
    return image


def _fill(partial: Partial, inputs: Inputs, root: str | None, policy: Policy, count: int) -> None:
    image_of = source(inputs, root)
    n = len(partial.array)

    def block(first: int) -> int:
        rows = range(first, min(first + BLOCK, n))
        for row in rows:
            with named(name_of(inputs, row)):
                partial.put(row, preparing.resize(image_of(row), policy))
        return len(rows)

    with threads.beside(count):
        for done in threads.in_order(block, range(partial.done, n, BLOCK), count):
            partial.advance(done)
