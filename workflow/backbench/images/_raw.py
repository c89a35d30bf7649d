"""Camera raw files, read by ``rawpy`` (LibRaw), which the extra ``raw`` installs.

Most of them are TIFF files whose first page is a small preview, which Pillow would take for the photograph. So a file
with a raw suffix goes to LibRaw unless it starts like an ordinary image file. So do files that are raw by their
content: CR2, CR3, RAF, ORF, RW2, X3F, and DNG under the name of a TIFF file.

They are developed with fixed parameters: the white balance of the camera, sRGB, 8 bits, full size, AHD demosaicing,
LibRaw's gamma (BT.709), no automatic brightening; turned upright, as the camera recorded it.
"""

import contextlib
from typing import TYPE_CHECKING, Any

from backbench.images import room
from backbench.images.bounds import Unreadable, refuse_size
from backbench.images.content import Content

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = frozenset(
    {
        *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".gpr", ".iiq", ".k25", ".kdc"),
        *(".mdc", ".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2"),
        *(".srf", ".srw", ".x3f"),
    }
)
# No raw file starts with these, whatever its name.
ORDINARY = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"RIFF", b"8BPS", b"%PDF-")
SIGNATURES = {
    "cr2": (8, b"CR\2\0"),
    "cr3": (4, b"ftypcrx "),
    "crw": (6, b"HEAPCCDR"),
    "mrw": (0, b"\0MRM"),
    "orf": (0, b"IIRO"),
    "raf": (0, b"FUJIFILMCCD-RAW"),
    "rw2": (0, b"IIU\0"),
    "x3f": (0, b"FOVb"),
}
TIFF = (b"II*\0", b"MM\0*")
# Tags of a TIFF file: whether the first page is a preview, where the other pages are, and the version of DNG.
SUBFILE_TYPE, SUB_DIRECTORIES, DNG_VERSION = 254, 330, 50706
PREVIEW = 1


def kind(content: Content, head: bytes) -> str | None:
    """The kind of a camera raw file, as a suffix without the dot; None for any other file."""
    by_content = next((name for name, (at, bytes_) in SIGNATURES.items() if head.startswith(bytes_, at)), None)
    suffix = content.path.suffix.lower()
    if suffix in SUFFIXES and not head.startswith(ORDINARY):
        return suffix.removeprefix(".")
    return by_content or (_in_tiff(content) if head.startswith(TIFF) else None)


def read(content: Content, kind: str, held: contextlib.ExitStack) -> "Image.Image":
    """The developed photograph as 8-bit RGB, upright; its memory stays reserved until `held` is closed.

    Raises
    ------
    Unreadable
        Without ``rawpy``, or if LibRaw cannot read the whole file.
    """
    about = f"a camera raw file (.{kind})"
    try:
        import rawpy
    except ImportError as error:
        raise Unreadable(f"{about}; install backbench[raw] to read it") from error
    from PIL import Image

    try:
        with rawpy.imread(_source(content)) as raw:
            sides = raw.sizes.raw_width, raw.sizes.raw_height
            refuse_size(sides)
            held.enter_context(room.ALL.taken(room.of_pixels(sides[0] * sides[1])))
            return Image.fromarray(raw.postprocess(**_parameters(rawpy)))
    except rawpy.LibRawError as error:
        raise Unreadable(f"{about} that LibRaw cannot read: {_text(error)}") from error


def version() -> str:
    """The version of ``rawpy``, which bundles LibRaw: decoded pixels depend on it."""
    from importlib import metadata

    with contextlib.suppress(metadata.PackageNotFoundError):
        return metadata.version("rawpy")
    return "None"


def _source(content: Content) -> Any:
    source = content.source()
    return source if hasattr(source, "read") else str(source)


def _parameters(rawpy: Any) -> dict[str, Any]:
    return {
        "demosaic_algorithm": rawpy.DemosaicAlgorithm.AHD,
        "use_camera_wb": True,
        "no_auto_bright": True,
        "output_color": rawpy.ColorSpace.sRGB,
        "output_bps": 8,
        "gamma": (2.222, 4.5),
        "half_size": False,
    }


def _in_tiff(content: Content) -> str | None:
    """``dng``, or ``tif`` for another raw file in TIFF, by the tags of the first page."""
    from PIL import TiffImagePlugin

    with contextlib.suppress(Exception), content.open() as file:  # damage is left to the TIFF reader
        tags = TiffImagePlugin.ImageFileDirectory_v2(file.read(8))
        file.seek(tags.next)
        tags.load(file)
        if DNG_VERSION in tags:
            return "dng"
        if tags.get(SUBFILE_TYPE) == PREVIEW and SUB_DIRECTORIES in tags:
            return "tif"
    return None


def _text(error: Exception) -> str:
    first = error.args[0] if error.args else ""
    return first.decode("utf-8", "replace") if isinstance(first, bytes) else str(first) or type(error).__name__
