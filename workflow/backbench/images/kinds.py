"""What a file is, by its first bytes: which reader it needs, and what to call it if there is none.

Names cannot be trusted: collections from the web contain web pages and error messages under the names of images.
"""

import re

HEAD = 4096
HEIF = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
AVIF = frozenset({b"avif", b"avis"})
# Brands of any still image in this container.
STILL = frozenset({b"mif1", b"mif2", b"msf1", b"miaf"})
UNREAD = "which is not read"
# Offset and signature, and what a file with them is.
SIGNATURES = (
    (0, b"%PDF-", "a PDF document"),
    (0, b"%!PS", "a PostScript drawing"),
    (0, b"\xc5\xd0\xd3\xc6", "a PostScript drawing"),
    (0, b"PK\x03\x04", "a ZIP archive, or a document that is stored as one"),
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"\x1f\x8b", "a file packed by gzip"),
    (0, b"8BPS", f"a Photoshop document, {UNREAD}; export it as PNG or TIFF"),
    (0, b"gimp xcf", f"a GIMP document, {UNREAD}; export it as PNG or TIFF"),
    (0, b"\xff\x0a", f"a JPEG XL image, {UNREAD}; convert it to PNG or JPEG"),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", f"a JPEG XL image, {UNREAD}; convert it to PNG or JPEG"),
    (0, b"II\xbc", f"a JPEG XR image, {UNREAD}"),
    (0, b"v/1\x01", f"an OpenEXR image, {UNREAD}"),
    (0, b"#?RADIANCE", f"a Radiance image, {UNREAD}"),
    (0, b"BPG\xfb", f"a BPG image, {UNREAD}"),
    (0, b"icns", f"a macOS icon, {UNREAD}"),
    (128, b"DICM", f"a DICOM image, {UNREAD}; export it as 16-bit PNG or TIFF"),
    (0, b"SIMPLE  =", f"a FITS file, {UNREAD}"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"SQLite format 3\0", "an SQLite database"),
    (0, b"version https://git-lfs", "a Git LFS pointer, not the file itself; run git lfs pull"),
    (4, b"ftyp", "a video"),
    (4, b"moov", "a video"),
    (0, b"\x1aE\xdf\xa3", "a video"),
    (8, b"AVI LIST", "a video"),
    (0, b"\0\0\1\xba", "a video"),
    (0, b"\0\0\1\xb3", "a video"),
    (0, b"FLV\1", "a video"),
    (0, b"0&\xb2u\x8ef\xcf\x11", "a video"),
    (0, b"ID3", "an audio file"),
    (0, b"OggS", "an audio file"),
    (8, b"WAVE", "an audio file"),
    (0, b"\x89PNG", "it starts as PNG, but is damaged at the start"),
    (0, b"\xff\xd8\xff", "it starts as JPEG, but is damaged at the start"),
    (0, b"GIF8", "it starts as GIF, but is damaged at the start"),
    (8, b"WEBP", "it starts as WebP, but is damaged at the start"),
    (0, b"II*\0", "a TIFF file that is damaged, or of a kind that is not read"),
    (0, b"MM\0*", "a TIFF file that is damaged, or of a kind that is not read"),
)
# Patterns for the start of a text, without leading blanks and in lower case.
TEXTS = (
    (re.compile(rb"(<\?xml|<!--|<!doctype svg|<svg).{0,3000}?<svg|<svg", re.DOTALL), "a drawing (SVG), not pixels"),
    (re.compile(rb"(<!doctype html|<html|<head|<body)"), "a web page (HTML), saved instead of the picture"),
    (re.compile(rb"<\?xml"), "XML text, perhaps an error message from a server"),
    (re.compile(rb"[{\[]"), "JSON text, perhaps an error message from a server"),
)
BINARY = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]")


def is_heif(head: bytes) -> bool:
    """Whether a file is HEIF (.heic, .heif) and not AVIF, which uses the same container."""
    brands = _brands(head)
    return head[8:12] in HEIF if head[8:12] in HEIF | AVIF else bool(brands & HEIF) and not brands & AVIF


def is_avif(head: bytes) -> bool:
    """Whether a file is AVIF."""
    return bool(_brands(head) & AVIF)


def is_still(head: bytes) -> bool:
    """Whether a file is a still image in the container of HEIF and AVIF, of either kind or another."""
    return bool(_brands(head) & STILL)


def name(head: bytes) -> str | None:
    """What a file is that no reader takes for an image; None if unknown."""
    if _brands(head) & (HEIF | AVIF | STILL):
        return "it starts as HEIF or AVIF, but is damaged at the start"
    for offset, signature, words in SIGNATURES:
        if head.startswith(signature, offset):
            return words
    if not head.strip(b"\0"):
        return "it starts with nothing but zeros"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if BINARY.search(text):
        return None
    return next((words for pattern, words in TEXTS if pattern.match(text)), None)


def _brands(head: bytes) -> set[bytes]:
    """The major and compatible brands of a file in an ISO container."""
    if head[4:8] != b"ftyp":
        return set()
    length = min(max(int.from_bytes(head[:4], "big"), 16), len(head))
    return {head[place : place + 4] for place in (8, *range(16, length, 4))}
