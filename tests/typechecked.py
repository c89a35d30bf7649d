"""What mypy says of a few lines about the library, by the project's own settings and with the cache of `make lint`."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from backbench import paths


def errors(folder: Path, lines: Sequence[str]) -> list[str]:
    """The errors of a module of these lines, each ``claims.py:LINE: error: ...``."""
    source = folder / "claims.py"
    source.write_text("\n".join(lines) + "\n")
    root = paths.CHECKOUT
    options = ["--config-file", str(root / "pyproject.toml"), "--cache-dir", str(root / ".mypy_cache")]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, str(source)],
        capture_output=True,
        text=True,
        env={**os.environ, "MYPYPATH": str(root / "workflow")},
        cwd=root,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return [Path(line).name for line in done.stdout.splitlines() if ": error: " in line]
