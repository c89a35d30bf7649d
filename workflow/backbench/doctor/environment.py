"""Python and the libraries, against the bounds of pyproject.toml and the versions of requirements.lock."""

import importlib.metadata
import platform
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from backbench import paths
from backbench.findings import Finding, fail, ok, warn
from backbench.wording import counted

ENTRY = re.compile(r"^(\S+==[^\\\n]+?) \\$", re.MULTILINE)
INSTALL = "sh scripts/install.sh .venv/bin"
SHOWN = 4


def look(_: Sequence[str]) -> Iterator[Finding]:
    """Python, the libraries that backbench needs, and those whose versions are not the locked ones."""
    yield _python()
    bounds, locked, installed = _bounds(), _locked(), _installed()
    wrong = [_against(need, installed) for need in bounds if not _met(need, installed)]
    if wrong:
        yield fail("libraries", f"{', '.join(wrong)}", f"type: {INSTALL}")
        return
    others = [
        f"{name} {installed[name]} (locked: {version})"
        for name, version in sorted(locked.items())
        if name in installed and Version(installed[name]).public != version
    ]
    if others:
        named = ", ".join(others[:SHOWN]) + (f" and {len(others) - SHOWN} more" if len(others) > SHOWN else "")
        yield warn("libraries", f"{counted(len(others), 'version')} not as tested: {named}", f"type: {INSTALL}")
    else:
        yield ok("libraries", f"{len(locked.keys() & installed.keys())} of requirements.lock, all as locked")


def _python() -> Finding:
    version, needed = platform.python_version(), str(_project()["requires-python"])
    if not Requirement(f"python{needed}").specifier.contains(version, prereleases=True):
        seen = f"{version} at {sys.executable}; backbench needs {needed}"
        return fail("python", seen, "type: make PYTHON=python3.12 setup")
    return ok("python", f"{version} at {sys.executable}")


@cache
def _project() -> Mapping[str, object]:
    """The table `project` of pyproject.toml."""
    return dict(tomllib.loads((paths.CHECKOUT / "pyproject.toml").read_text())["project"])


def _bounds() -> list[Requirement]:
    """What backbench cannot work without."""
    texts = _project()["dependencies"]
    assert isinstance(texts, list)
    return [need for need in map(Requirement, texts) if need.marker is None or need.marker.evaluate()]


def _locked() -> dict[str, str]:
    """Versions of requirements.lock that are meant for this Python and system, by name; none where it is not here."""
    file = paths.CHECKOUT / "requirements.lock"
    text = file.read_text() if file.exists() else ""
    entries = [Requirement(line) for line in ENTRY.findall(text)]
    meant = (entry for entry in entries if entry.marker is None or entry.marker.evaluate())
    return {canonicalize_name(entry.name): next(iter(entry.specifier)).version for entry in meant}


def _installed() -> dict[str, str]:
    """Versions that this Python would import, by name; the first on its path counts."""
    versions: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata["Name"]
        if name:
            versions.setdefault(canonicalize_name(name), distribution.version)
    return versions


def _met(need: Requirement, installed: Mapping[str, str]) -> bool:
    version = installed.get(canonicalize_name(need.name))
    return version is not None and need.specifier.contains(version, prereleases=True)


def _against(need: Requirement, installed: Mapping[str, str]) -> str:
    return f"{need.name} {installed.get(canonicalize_name(need.name), 'missing')} (needed: {need.specifier})"
