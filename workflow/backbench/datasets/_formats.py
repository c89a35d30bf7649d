"""Archives that cannot be read (standard library only): what they are, and what to do instead."""

import re
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path

KINDS = ".zip, .tar, .tar.gz, .tgz, .tar.bz2, .tar.xz"
WAY_OUT = "and give dataset=folder dataset.root=FOLDER"
OTHERS = {
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", "7-Zip"),
    b"Rar!\x1a\x07": ("a RAR archive", "7-Zip or unrar"),
    b"\x28\xb5\x2f\xfd": ("packed with Zstandard", "tar --zstd -xf, or zstd -d"),
    b"\x04\x22\x4d\x18": ("packed with LZ4", "lz4 -d"),
    b"LZIP": ("packed with lzip", "tar --lzip -xf"),
    b"\x5d\x00\x00": ("packed with LZMA", "tar --lzma -xf, or xz -d"),
    b"\x1f\x9d": ("packed with compress", "tar -xf, or uncompress"),
    b"MSCF": ("a cabinet file", "7-Zip"),
    b"xar!": ("a xar archive", "7-Zip"),
}
READ_BY_PYTHON = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
METHODS = {
    1: "Shrink",
    **dict.fromkeys(range(2, 6), "Reduce"),
    6: "Implode",
    9: "Deflate64",
    10: "PKWARE Implode",
    93: "Zstandard",
    94: "MP3",
    95: "XZ",
    96: "packed JPEG",
    97: "WavPack",
    98: "PPMd",
}
AES = 99
VOLUME = re.compile(r"\.(z\d\d|\d{3})", re.IGNORECASE)
DIRECTORY_END, DIRECTORY_END_64, SPANNED = b"PK\5\6", b"PK\6\7", b"PK\7\x08"


def unknown(archive: Path, head: bytes) -> str:
    """The message for a file that begins with `head`, which no supported archive does."""
    text = f"{archive} is not an archive of a known kind; allowed: {KINDS}."
    for magic, (kind, tool) in OTHERS.items():
        if head.startswith(magic):
            return f"{text} It is {kind}; unpack it with {tool} {WAY_OUT}."
    return text


def no_tar(archive: Path, packer: str) -> str:
    """The message for a single compressed file."""
    return (
        f"{archive} is packed with {packer} and holds no tar archive, or one that is damaged at its start. If it is a "
        f"single file, unpack it and give that one; images have to be in a folder or an archive ({KINDS})."
    )


def volume(archive: Path) -> str | None:
    """The message for one volume of an archive in several files, None if the archive seems to be complete."""
    if VOLUME.fullmatch(archive.suffix) is None and not _is_spanned(archive):
        return None
    return (
        f"{archive} is one volume of an archive in several files, which cannot be read alone; unpack all of them with "
        f"7-Zip {WAY_OUT}."
    )


def refusal(archive: Path, infos: Sequence[zipfile.ZipInfo]) -> str | None:
    """The message for a zip with files that are encrypted or packed in a way that Python cannot read, else None."""
    for info in infos:
        if info.flag_bits & 0x1 or info.compress_type == AES:
            return f"{archive} is encrypted; unpack it yourself and give dataset=folder dataset.root=."
    for info in infos:
        if info.compress_type not in READ_BY_PYTHON:
            method = METHODS.get(info.compress_type, f"method {info.compress_type}")
            return (
                f"{archive} is packed with {method}, which Python cannot read (the first such file is "
                f"{info.filename!r}); unpack it with 7-Zip or unzip {WAY_OUT}."
            )
    return None


def unreadable(archive: Path, reason: str) -> str:
    """The message for a zip that is complete and yet cannot be read."""
    return f"{archive} is packed in a way that Python cannot read ({reason}); unpack it with 7-Zip or unzip {WAY_OUT}."


def _is_spanned(archive: Path) -> bool:
    """Whether a zip says that it spans several disks."""
    with archive.open("rb") as handle:
        head = handle.read(4)
        handle.seek(max(archive.stat().st_size - 66_000, 0))
        tail = handle.read()
    end, end_64 = tail.rfind(DIRECTORY_END), tail.rfind(DIRECTORY_END_64)
    if end >= 0 and len(tail) >= end + 6:
        disk = struct.unpack_from("<H", tail, end + 4)[0]
        if disk not in (0, 0xFFFF):
            return True
    if end_64 >= 0 and len(tail) >= end_64 + 20:
        return struct.unpack_from("<L", tail, end_64 + 16)[0] > 1
    return head == SPANNED and end < 0
