"""Downloads that resume after an interruption: pooch, with a downloader of our own.

Source: pooch (https://www.fatiando.org/pooch) names, checks and renames the file. Its own downloader always starts from
the beginning; :class:`Resuming` keeps what has arrived in a ``.part`` file and asks the server for the rest (RFC 9110,
section 14).
"""

import logging
import time
import urllib.parse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from backbench.datasets._fetch import STALL_SECONDS, FetchError, probe
from backbench.files import make_folder, share
from backbench.schema import ConfigError, refuse

if TYPE_CHECKING:
    from requests import Response

log = logging.getLogger(__name__)

ATTEMPTS, PAUSE_SECONDS = 4, 1.0
CHUNK = 1 << 18
REPORT_SECONDS = 5.0
MIB = 1 << 20


class _Broken(OSError):
    """A transfer that was interrupted and can be resumed."""


def fetch(url: str, known: str, target: Path, most: int | None = None) -> Path:
    """The file at `url`, stored as `target` and checked; fetched unless it is there already.

    Parameters
    ----------
    known
        ``sha256:...`` or ``md5:...`` of the file, as pooch writes it.
    most
        The largest number of bytes that is accepted.

    Raises
    ------
    ConfigError
        If the address is not of http or https, or the file has another checksum (which the message gives).
    FetchError
        If the server cannot be reached, refuses, or stalls.
    """
    check_address(url)
    make_folder(target.parent)
    first = Resuming(target.with_name(f"{target.name}.part"), most)
    try:
        return _retrieve(url, known, target, first)
    except _Differs as error:
        if not first.resumed:
            raise
        log.warning("%s; the first part may be of another version: fetching the whole file again", error)
        return _retrieve(url, known, target, Resuming(first.part, most))


def mirrored(mirrors: Sequence[str], sums: Mapping[str, str], folder: Path) -> None:
    """Files by name and MD5 sum from the first of `mirrors`, addresses that end with a slash, that delivers all.

    Raises
    ------
    FetchError
        If no mirror answers within a few seconds, or none delivers the files.
    """
    probe(mirrors)
    reasons = []
    for mirror in mirrors:
        try:
            for name, md5 in sums.items():
                fetch(mirror + name, f"md5:{md5}", folder / name)
            return
        except (FetchError, ConfigError) as error:
            reasons.append(str(error))
    raise FetchError(f"the mirrors failed ({'; '.join(reasons)})")


def check_address(url: str) -> None:
    """Refuse what is not the address of a file on a web server.

    Raises
    ------
    ConfigError
        It points to ``dataset.archive`` for a local file.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "file" or not parts.scheme:
        raise ConfigError(f"dataset.url: received {url!r}; for a file on this machine give dataset.archive=PATH.")
    if parts.scheme not in ("http", "https"):
        raise refuse("dataset.url", url, "an address that starts with http:// or https://")


def shown(url: str) -> str:
    """An address without user name and password, for logs and records."""
    parts = urllib.parse.urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


class _Differs(ConfigError):
    """A file with another checksum."""


def _retrieve(url: str, known: str, target: Path, downloader: "Resuming") -> Path:
    import pooch

    pooch.get_logger().setLevel("WARNING")
    try:
        return Path(pooch.retrieve(url, known, target.name, target.parent, downloader=downloader))
    except ValueError as error:
        if isinstance(error, ConfigError):
            raise
        raise _Differs(f"{shown(url)}: its checksum is {downloader.checksum(known)}, not {known}.") from error


class Resuming:
    """A downloader for pooch that appends to `part` and hands the whole over when it is complete."""

    def __init__(self, part: Path, most: int | None = None):
        self.part, self.most = part, most
        self.resumed = False
        self._ranges = True  # whether the server sends the rest of a file when asked for it
        self._checksums: dict[str, str] = {}

    def __call__(self, url: str, output_file: str, pooch: object, check_only: bool = False) -> None:
        left = ATTEMPTS
        while True:
            before = self._size()
            try:
                self._rest(url)
                break
            except _Broken as error:
                left = ATTEMPTS if self._size() > before else left - 1
                if not left:
                    raise FetchError(f"{shown(url)}: {error}") from error
                log.warning("%s: interrupted at %s (%s); resuming", shown(url), _mib(self._size()), error)
                time.sleep(PAUSE_SECONDS * 2 ** (ATTEMPTS - left - 1) if left < ATTEMPTS else PAUSE_SECONDS)
        self._checksums = _checksums(self.part)
        self.part.replace(output_file)

    def checksum(self, known: str) -> str:
        """The checksum of the downloaded file, of the kind of `known`."""
        kind = known.partition(":")[0]
        return f"{kind}:{self._checksums.get(kind, 'unknown')}"

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _rest(self, url: str) -> None:
        """One request for the missing bytes."""
        import requests
        import urllib3

        have = self._size()
        # Without identity, a server may compress the archive again, and ranges would count compressed bytes.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have and self._ranges else {})
        try:
            with requests.get(url, headers=headers, stream=True, timeout=STALL_SECONDS) as response:
                self._take(response, have)
        except (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError) as error:
            raise _Broken(_plainly(error)) from error
        except requests.RequestException as error:
            raise FetchError(f"{shown(url)}: {_plainly(error)}") from error

    def _take(self, response: "Response", have: int) -> None:
        if response.status_code == 416:  # nothing is missing, or the partial file is longer than the file
            if response.headers.get("Content-Range", "") == f"bytes */{have}":
                return
            self.part.unlink()
            raise _Broken("the server has a different file than before")
        if response.status_code >= 500 or response.status_code == 429:
            raise _Broken(f"the server answers {response.status_code} {response.reason}")
        if response.status_code not in (200, 206):
            raise FetchError(f"{shown(response.url)}: the server answers {response.status_code} {response.reason}")
        start = have if _continues(response, have) else 0
        if response.status_code == 206 and start < have:
            self._ranges = False
            self.part.unlink()
            raise _Broken("the server sent another range than requested")
        self.resumed = self.resumed or start > 0
        self._append(response, start)

    def _append(self, response: "Response", start: int) -> None:
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if length.isdecimal() else None
        meter = _Meter(shown(response.url), start, total)
        with self.part.open("r+b" if start else "wb") as handle:
            share(self.part)
            handle.seek(start)
            handle.truncate()
            for chunk in response.raw.stream(CHUNK, decode_content=False):
                handle.write(chunk)
                meter.add(len(chunk))
                if self.most is not None and meter.done > self.most:
                    raise ConfigError(f"{meter.name} is larger than {self.most:,} bytes; raise dataset.max_gb.")
        if total is not None and meter.done < total:
            raise _Broken(f"{_mib(meter.done)} of {_mib(total)} arrived")


def _continues(response: "Response", have: int) -> bool:
    """Whether the response starts where the partial file ends; a server without ranges sends everything."""
    return response.status_code == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")


class _Meter:
    """The progress of a transfer, logged every few seconds."""

    def __init__(self, name: str, start: int, total: int | None):
        self.name, self.done, self.total = name, start, total
        self._start, self._began = start, time.monotonic()
        self._logged = self._began

    def add(self, count: int) -> None:
        self.done += count
        now = time.monotonic()
        if now - self._logged >= REPORT_SECONDS:
            self._logged = now
            log.info("%s: %s", self.name, self.line(now - self._began))

    def line(self, seconds: float) -> str:
        rate = (self.done - self._start) / max(seconds, 1e-9)
        if self.total is None or not rate:
            return f"{_mib(self.done)}, {_mib(rate)}/s"
        remaining = (self.total - self.done) / rate
        return f"{_mib(self.done)} of {_mib(self.total)}, {_mib(rate)}/s, {remaining:.0f} s remaining"


def _mib(count: float) -> str:
    return f"{count / MIB:.1f} MiB"


def _checksums(path: Path) -> dict[str, str]:
    import pooch

    return {kind: pooch.file_hash(str(path), alg=kind) for kind in ("sha256", "md5")}


def _plainly(error: BaseException) -> str:
    """The innermost reason: requests wraps an error of urllib3, which wraps one of the socket."""
    while (inner := getattr(error, "reason", None) or (error.args[0] if error.args else None)) is not None:
        if not isinstance(inner, BaseException):
            break
        error = inner
    return str(error) or type(error).__name__
