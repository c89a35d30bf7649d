"""The rows of a table of text (standard library only): its encoding, separator, quotes and cells.

UTF-8 and UTF-16 are read, and Windows-1252 if a file is not UTF-8, which is reported to the user. Columns are separated
by commas, semicolons, tabs or bars: by whichever separates the header, or by the one in Excel's line ``sep=;``. A row
with another number of cells than the header is refused, since nobody knows which of its cells is which; empty cells at
its end do not count.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from backbench.datasets._printable import printable
from backbench.schema import ConfigError

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
EXCEL = re.compile(r'"?sep=(.)"?[ ,;\t|]*(?=[\r\n]|$)', re.IGNORECASE)
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
OTHER_FILES = {
    b"PK\x03\x04": "a spreadsheet (.xlsx, .ods) or another zip archive; save it as CSV (Excel: Save As, CSV UTF-8)",
    b"\xd0\xcf\x11\xe0": "a spreadsheet (.xls); save it as CSV (Excel: Save As, CSV UTF-8)",
    b"\x1f\x8b": "compressed with gzip; unpack it with gunzip",
    b"PAR1": "a parquet file; write it as CSV (pandas: read_parquet(...).to_csv(..., index=False))",
}
LEGACY = "cp1252"
WORD = re.compile(r"[^\s,;|\"/\\]*[^\x00-\x7f][^\s,;|\"/\\]*")
ENDS = re.compile(r"\r\n|\r|\n")
SHOWN = 3


class Unbalanced(csv.Error):
    """Quotes that are not closed, in the row that begins in `line`."""

    def __init__(self, line: int, reason: csv.Error):
        super().__init__(str(reason))
        self.line = line


class Row(NamedTuple):
    """The line where a row begins, and its cells, as many as there are titles."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table with at least one row; `encoding` is that of its bytes, `notes` are for the user."""

    path: Path
    titles: tuple[str, ...]
    rows: Sequence[Row]
    encoding: str
    notes: tuple[str, ...] = ()

    def where(self, row: int) -> str:
        """The place of a row, for messages."""
        return _where(self.path, self.rows[row].line)

    def column(self, place: int) -> list[str]:
        """The cells of a column, as they are written."""
        return [row.cells[place] for row in self.rows]


def read(path: Path) -> Table:
    """Read a table with a header.

    Raises
    ------
    ConfigError
        If there is no such file, it is not a table of text, its quotes are not balanced, it has no rows, or a row has
        more or fewer cells than the header.
    """
    text, encoding = _text(path)
    notes = (_announced(path, text),) if encoding == LEGACY else ()
    text, separator = _separated(text, path)
    records = (row for row in _records(text, separator, path) if any(cell.strip() for cell in row.cells))
    header = next(records, Row(1, ()))
    titles = tuple(title.strip() for title in header.cells)
    below = list(records)
    rows = [row for row in below if tuple(map(str.strip, row.cells)) != titles]
    if not titles:
        raise ConfigError(
            f"dataset.csv: {path} is empty, so it has no column path; received the header ''. Give a table with "
            "a header such as path,label"
        )
    if not rows:
        raise ConfigError(f"dataset.csv: {path} has no rows below its header; received the header {_line(titles)}.")
    _refuse_ragged(path, titles, rows, separator)
    whole = [Row(line, (*cells, *[""] * len(titles))[: len(titles)]) for line, cells in rows]
    if len(rows) < len(below):
        lines = ", ".join(str(row.line) for row in below if row not in rows)
        notes = (*notes, f"the header is repeated in line {lines} and ignored there")
    return Table(path, titles, whole, encoding, notes)


def comment_hint(cells: Sequence[str]) -> str:
    """What to do about a line that begins with ``#``; empty for other lines."""
    first = cells[0].strip() if cells else ""
    return " This line begins with #; if it is a comment, remove it." if first.startswith("#") and first != "#" else ""


def _where(path: Path, line: int) -> str:
    return f"dataset.csv: {path}, line {line}"


def _line(titles: Sequence[str]) -> str:
    return repr(printable(",".join(titles)))


def _text(path: Path) -> tuple[str, str]:
    """The text of a file and its encoding."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"dataset.csv: {path}: {error.strerror}; give a table with a header path,label.") from error
    for magic, kind in OTHER_FILES.items():
        if content.startswith(magic):
            raise ConfigError(f"dataset.csv: {path} is not a text file but {kind}, and give the result.")
    encoding = next((encoding for mark, encoding in MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        text, encoding = _legacy(content, path, error), LEGACY
    if "\0" in text:
        line = len(ENDS.findall(text[: text.index("\0")])) + 1
        raise ConfigError(
            f"{_where(path, line)}: a NUL byte; the file is damaged, not text, or UTF-16 without a byte order mark. "
            "Save it as CSV in UTF-8."
        )
    return text, encoding


def _legacy(content: bytes, path: Path, error: UnicodeDecodeError) -> str:
    """The text of bytes that are not UTF-8; refused if some lines are UTF-8, since the others are then unclear."""
    rows = re.split(ENDS.pattern.encode(), content)
    line = len(re.split(ENDS.pattern.encode(), content[: error.start]))
    other = next((number for number, row in enumerate(rows, 1) if _is_multibyte(row)), None)
    if error.encoding == "utf-8" and other is None:
        try:
            return content.decode(LEGACY)
        except UnicodeDecodeError:
            pass
    also = f", while line {other} is UTF-8" if other is not None else ""
    raise ConfigError(f"{_where(path, line)}: this is not {error.encoding.upper()}{also}. Save the table as UTF-8.")


def _is_multibyte(row: bytes) -> bool:
    try:
        return not row.isascii() and bool(row.decode("utf-8"))
    except UnicodeDecodeError:
        return False


def _announced(path: Path, text: str) -> str:
    words = ", ".join(list(dict.fromkeys(WORD.findall(text)))[:SHOWN])
    return f"{path.name} is not UTF-8 and was read as Windows-1252: {words}; if that is wrong, save it as UTF-8"


def _separated(text: str, path: Path) -> tuple[str, str]:
    """The text without Excel's line that names the separator, and the separator."""
    stated = EXCEL.match(text)
    if stated:
        return text[stated.end() :], stated[1]
    widths = {separator: _width(text, separator) for separator in SEPARATORS}
    wide = [separator for separator, width in widths.items() if width > 1]
    if len(wide) < 2:
        return text, wide[0] if wide else ","
    even = [separator for separator in wide if _is_even(text, separator)]
    if len(even) == 1:
        return text, even[0]
    readings = " or ".join(f"{widths[item]} columns separated by {SEPARATORS[item]}s" for item in even or wide)
    raise ConfigError(
        f"dataset.csv: {path} can be read as {readings}. Write the separator as its first line, as Excel does: "
        f"{' or '.join(f'sep={item}' for item in even or wide)}"
    )


def _width(text: str, separator: str) -> int:
    """The number of titles for a separator, 0 if the quotes do not agree with it."""
    try:
        return len(next((cells for _, cells in _raw(text, separator) if any(cells)), ()))
    except csv.Error:
        return 0


def _is_even(text: str, separator: str) -> bool:
    try:
        return len({len(cells) for _, cells in _raw(text, separator) if any(cells)}) == 1
    except csv.Error:
        return False


def _raw(text: str, separator: str) -> Iterator[Row]:
    """Each row with its first line; a quote after a separator and a blank still opens a cell."""
    spaced = re.search(rf'(?:^|{re.escape(separator)}) +"', text, re.MULTILINE) is not None
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=spaced)
    start = 1
    try:
        for cells in reader:
            yield Row(start, tuple(cells))
            start = reader.line_num + 1
    except csv.Error as error:
        raise Unbalanced(start, error) from error


def _records(text: str, separator: str, path: Path) -> Iterator[Row]:
    try:
        yield from _raw(text, separator)
    except Unbalanced as error:
        raise ConfigError(
            f"{_where(path, error.line)}: the file is not a valid table ({error}). A quote that opens "
            'a cell has to close it, and one inside a quoted cell is doubled: "5"" lens".'
        ) from error


def _refuse_ragged(path: Path, titles: Sequence[str], rows: Sequence[Row], separator: str) -> None:
    """Refuse rows with more or fewer cells than titles, empty ones at the end of a row or of the header aside."""
    odd = [
        row for row in rows if any(cell.strip() for cell in row.cells[len(titles) :]) or any(titles[len(row.cells) :])
    ]
    if not odd:
        return
    line, cells = odd[0]
    others = f" ({len(odd) - 1} more such rows)" if len(odd) > 1 else ""
    if comment_hint(titles):
        raise ConfigError(
            f"{_where(path, line)}: {len(cells)} cells, while the first line has {len(titles)}: "
            f"{_line(titles)}.{comment_hint(titles)}"
        )
    joined = separator.join(cells)
    message = (
        f"{_where(path, line)}: {len(cells)} cells, while the header has {len(titles)} "
        f"({', '.join(map(printable, titles))}); received {printable(joined)!r}{others}. "
    )
    if len(cells) > len(titles):
        last = separator.join(cells[len(titles) - 1 :]).strip().replace('"', '""')
        quoted = separator.join([*cells[: len(titles) - 1], f'"{last}"'])
        name = SEPARATORS.get(separator, repr(separator))
        raise ConfigError(f"{message}Quote the cell that holds a {name}, for example: {printable(quoted)}")
    raise ConfigError(f"{message}Fill in the row; an empty cell still needs its separator.{comment_hint(cells)}")
