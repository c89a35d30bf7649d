"""A folder whose files are there whole or not at all."""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from backbench.files import make_folder

UNFINISHED = ".unfinished-"
ABANDONED_SECONDS = 3600


class Folder:
    """Files are written beside their place and moved there when they are complete; `written` names them in order."""

    def __init__(self, root: Path):
        self.root = Path(root)
        self.written: list[str] = []
        make_folder(self.root)
        self._forget_abandoned()

    @contextlib.contextmanager
    def new(self, name: str) -> Iterator[Path]:
        """The place to write the file `name` to; it gets its name where the block ends without an error."""
        scratch = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=self.root))
        try:
            yield scratch / name
            with (scratch / name).open("rb") as handle:
                os.fsync(handle.fileno())
            (scratch / name).replace(self.root / name)
            self.written.append(name)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def text(self, name: str, text: str) -> None:
        """A text file; bytes of names that are no text are escaped."""
        with self.new(name) as path:
            path.write_bytes(text.encode("utf-8", "backslashreplace"))

    def copy(self, source: Path, name: str) -> None:
        with self.new(name) as path:
            shutil.copyfile(source, path)

    def paths(self) -> list[Path]:
        """What was written."""
        return [self.root / name for name in self.written]

    def _forget_abandoned(self) -> None:
        """Remove what a killed export left behind; a younger one may be at work."""
        for path in self.root.glob(f"{UNFINISHED}*"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > ABANDONED_SECONDS:
                    shutil.rmtree(path, ignore_errors=True)
