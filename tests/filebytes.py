"""Image files made byte by byte, for what no library writes."""

import struct
import zlib
from collections.abc import Mapping

import numpy as np

BYTE, ASCII, SHORT, LONG, SIGNED_RATIONAL = 1, 2, 3, 4, 10
LETTERS = {BYTE: "B", SHORT: "H", LONG: "I"}


def directory(tags: Mapping[int, tuple], body: bytes, order: str = "<") -> bytes:
    """A TIFF file of one page: `body` stands at byte 8; a tag has its type and its values."""
    out = bytearray((b"II*\0" if order == "<" else b"MM\0*") + bytes(4) + body)
    entries = []
    for tag, (kind, *values) in sorted(tags.items()):
        data = _packed(kind, values, order)
        if len(data) > 4:
            out += bytes(len(out) % 2)
            place = struct.pack(order + "I", len(out))
            out += data
        else:
            place = data.ljust(4, b"\0")
        entries.append(
            struct.pack(order + "HHI", tag, kind, len(values[0]) + 1 if kind == ASCII else len(values)) + place
        )
    out += bytes(len(out) % 2)
    struct.pack_into(order + "I", out, 4, len(out))
    return bytes(out + struct.pack(order + "H", len(entries)) + b"".join(entries) + bytes(4))


def _packed(kind: int, values: list, order: str) -> bytes:
    if kind == ASCII:
        return values[0] + b"\0"
    if kind == SIGNED_RATIONAL:
        return b"".join(struct.pack(order + "ii", value, 1) for value in values)
    return struct.pack(f"{order}{len(values)}{LETTERS[kind]}", *values)


def grey_tiff(values, bits: int, photometric: int, order: str = "<", deflated: bool = False) -> bytes:
    """Grey of any number of bits; `photometric` is 0 where white is zero."""
    rows = np.asarray(values)
    if bits == 16:
        body = rows.astype(order + "u2").tobytes()
    else:
        texts = ("".join(format(int(value), f"0{bits}b") for value in row) for row in rows)
        padded = (text + "0" * (-len(text) % 8) for text in texts)
        body = b"".join(int(text, 2).to_bytes(len(text) // 8, "big") for text in padded)
    body = zlib.compress(body) if deflated else body
    height, width = rows.shape
    tags = {
        **{256: (LONG, width), 257: (LONG, height), 258: (SHORT, bits), 259: (SHORT, 8 if deflated else 1)},
        **{262: (SHORT, photometric), 273: (LONG, 8), 277: (SHORT, 1), 278: (LONG, height), 279: (LONG, len(body))},
    }
    return directory(tags, body, order)


def dng(mosaic: np.ndarray, orientation: int = 1) -> bytes:
    """A camera raw file: 16 bits under a red, green, green, blue mosaic, of a camera whose colours are XYZ."""
    height, width = mosaic.shape
    body = mosaic.astype("<u2").tobytes()
    tags = {
        **{254: (LONG, 0), 256: (LONG, width), 257: (LONG, height), 258: (SHORT, 16), 259: (SHORT, 1)},
        **{262: (SHORT, 32803), 271: (ASCII, b"Maker"), 272: (ASCII, b"Maker One"), 273: (LONG, 8)},
        **{274: (SHORT, orientation), 277: (SHORT, 1), 278: (LONG, height), 279: (LONG, len(body))},
        **{33421: (SHORT, 2, 2), 33422: (BYTE, 0, 1, 1, 2), 50706: (BYTE, 1, 4, 0, 0), 50707: (BYTE, 1, 1, 0, 0)},
        **{50708: (ASCII, b"Maker One"), 50717: (LONG, 65535), 50721: (SIGNED_RATIONAL, 1, 0, 0, 0, 1, 0, 0, 0, 1)},
        **{50728: (SIGNED_RATIONAL, 1, 1, 1), 50778: (SHORT, 21)},
    }
    return directory(tags, body)


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(size: tuple[int, int], bits: int, colour: int, rows: bytes, extra: bytes = b"") -> bytes:
    """A PNG file of `rows`, each with the number of its filter first; `extra` are chunks before them."""
    head = struct.pack(">IIBBBBB", *size, bits, colour, 0, 0, 0)
    parts = (chunk(b"IHDR", head), extra, chunk(b"IDAT", zlib.compress(rows, 9)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def sixteen_bit_png(values: np.ndarray) -> bytes:
    """A PNG file of 16-bit grey (h, w) or colour (h, w, 3)."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return png((width, height), 16, 2 if values.ndim == 3 else 0, rows)
