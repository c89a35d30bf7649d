"""The names of files in a zip (standard library only), which often does not say how they are encoded.

A name has the encoding that the archive declares: UTF-8 by its flag, or the Unicode path field of Info-ZIP. Other names
are read as UTF-8 if their bytes are valid UTF-8. The remaining names of an archive are read as Shift-JIS (cp932) if
that makes all of them Japanese and no Western code page makes words of them; otherwise as cp437, as the format says.
"""

import re
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence

UTF8_FLAG, UNICODE_PATH = 0x800, 0x7075
TITLES = {"utf-8": "UTF-8", "cp932": "Shift-JIS", "cp437": "cp437"}
# The accented letters of each Western code page.
WESTERN = {
    "cp437": frozenset((bytes(range(0x80, 0x9B)) + bytes(range(0xA0, 0xA8)) + b"\xe1\xf8").decode("cp437")),
    "cp1252": frozenset(bytes([0x8A, 0x8C, 0x8E, 0x9A, 0x9C, 0x9E, *range(0xC0, 0x100)]).decode("cp1252")),
}
WORD = re.compile(r"[^\W\d_]+")
LOWER_BEFORE_UPPER = re.compile(r"[ß-öø-ÿ][A-Z]")
FULL_WIDTH = ("HIRAGANA", "KATAKANA", "CJK ")
HALF_WIDTH = "HALFWIDTH"
MARKS = ("IDEOGRAPHIC", "FULLWIDTH", "LEFT ", "RIGHT ", "HORIZONTAL", "CIRCLED ", "BLACK ", "WHITE ", "REFERENCE MARK")
OTHERWISE = "; if that is wrong, unpack it yourself (unzip -O ENCODING) and give dataset=folder dataset.root=FOLDER"


class Names:
    """How the names of one archive are read."""

    def __init__(self, infos: Sequence[zipfile.ZipInfo]):
        undeclared = [raw for raw in map(_undeclared, infos) if raw is not None]
        self._encoding = legacy_encoding([raw for raw in undeclared if not _is_utf8(raw)])
        self._undeclared = undeclared

    def read(self, info: zipfile.ZipInfo) -> str:
        """The name of an entry."""
        if info.flag_bits & UTF8_FLAG:
            return info.orig_filename
        raw = info.orig_filename.encode("cp437")
        return _unicode_path(info.extra, raw) or self.decode(raw)

    def decode(self, raw: bytes) -> str:
        """Other text in the encoding of the names, such as the target of a link."""
        return raw.decode("utf-8" if _is_utf8(raw) else self._encoding, "surrogateescape")

    def notes(self) -> Iterator[str]:
        """A sentence about each encoding that was guessed."""
        encodings = ["utf-8" if _is_utf8(raw) else self._encoding for raw in self._undeclared]
        for encoding in dict.fromkeys(encodings):
            raws = [raw for raw, known in zip(self._undeclared, encodings, strict=True) if known == encoding]
            count = f"{len(raws):,} names" if len(raws) > 1 else "1 name"
            note = f"{count} in the archive without a stated encoding: read as {TITLES[encoding]}, as in "
            yield f"{note}{self.decode(raws[0])!r}" + ("" if encoding == "utf-8" else OTHERWISE)


def legacy_encoding(raws: Sequence[bytes]) -> str:
    """``cp932`` or ``cp437`` for the names of an archive that are not UTF-8."""
    western = any(_is_western(raws, encoding) for encoding in WESTERN)
    return "cp932" if raws and _is_japanese(raws) and not western else "cp437"


def _undeclared(info: zipfile.ZipInfo) -> bytes | None:
    """The bytes of a name that is not ASCII and has no declared encoding."""
    if info.flag_bits & UTF8_FLAG or info.orig_filename.isascii():
        return None
    raw = info.orig_filename.encode("cp437")
    return raw if _unicode_path(info.extra, raw) is None else None


def _unicode_path(extra: bytes, raw: bytes) -> str | None:
    """The name in the field 0x7075: version 1, the CRC of the name that it replaces, and the name in UTF-8."""
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        body, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == UNICODE_PATH and body[:5] == struct.pack("<BI", 1, zlib.crc32(raw)) and _is_utf8(body[5:]):
            return body[5:].decode("utf-8") or None
    return None


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _is_japanese(raws: Sequence[bytes]) -> bool:
    """Whether all names are kana and kanji in cp932. Mostly half-width kana are a sign of Chinese names instead."""
    half, full = 0, 0
    for raw in raws:
        try:
            text = raw.decode("cp932")
        except UnicodeDecodeError:
            return False
        for title in (unicodedata.name(char, "") for char in text if not char.isascii()):
            if not title.startswith((*FULL_WIDTH, HALF_WIDTH, *MARKS)):
                return False
            half, full = half + title.startswith(HALF_WIDTH), full + title.startswith(FULL_WIDTH)
    return full > half


def _is_western(raws: Sequence[bytes], encoding: str) -> bool:
    """Whether all names are words in a Western code page, with accents on less than half of their letters.

    Shift-JIS read so has an accent on at least every second letter, often before a capital letter.
    """
    plain, accented = 0, 0
    for raw in raws:
        text = raw.decode(encoding, "replace")
        if any(not char.isascii() and char not in WESTERN[encoding] for char in text):
            return False
        if LOWER_BEFORE_UPPER.search(text):
            return False
        for word in WORD.findall(text):
            count = sum(not char.isascii() for char in word)
            if count:
                plain, accented = plain + len(word) - count, accented + count
    return accented < plain
