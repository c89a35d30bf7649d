"""pyproject.toml, environment.yml and requirements.lock say the same."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
# What the development environment has: the package with its extras, and the tools.
ENVIRONMENT = tuple(EXTRAS)
GROUPS = (PROJECT["dependencies"], *(EXTRAS[name] for name in ENVIRONMENT))
DECLARED = [item for group in GROUPS for item in map(Requirement, group) if item.name != PROJECT["name"]]
# Distributions that conda-forge knows by another name.
CONDA_NAMES = {"torch": "pytorch", "huggingface-hub": "huggingface_hub", "psycopg2-binary": "psycopg2"}
NOT_OURS = {"python", "pip"}
LOCK = (ROOT / "requirements.lock").read_text()
ENTRY = re.compile(r"^(?P<requirement>\S+==[^\\\n]+?) \\\n(?P<hashes>(?:    --hash=\S+(?: \\)?\n)+)", re.MULTILINE)

by_name = pytest.mark.parametrize("wanted", DECLARED, ids=lambda requirement: requirement.name)


def conda_environment() -> tuple[dict[str, Requirement], list[str]]:
    """Requirements of environment.yml by name, conda's and pip's alike, and the lines that are none."""
    entries = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    texts = [entry for entry in entries if isinstance(entry, str)]
    texts += [line for entry in entries if isinstance(entry, dict) for line in entry["pip"]]
    parsed = [Requirement(text) for text in texts if not text.startswith("-")]
    return {item.name: item for item in parsed}, [text for text in texts if text.startswith("-")]


def locked() -> dict[str, list[Requirement]]:
    """Entries of the lock by name; a name has several where the version depends on Python's."""
    found: dict[str, list[Requirement]] = {}
    for match in ENTRY.finditer(LOCK):
        entry = Requirement(match["requirement"])
        found.setdefault(canonicalize_name(entry.name), []).append(entry)
    return found


@by_name
def test_the_conda_environment_has_the_same_bounds(wanted):
    found, _ = conda_environment()
    name = CONDA_NAMES.get(wanted.name, wanted.name)
    assert name in found, f"environment.yml lacks {name}"
    assert found[name].specifier == wanted.specifier


def test_the_conda_environment_has_nothing_else_and_installs_the_package():
    found, options = conda_environment()
    assert set(found) == {CONDA_NAMES.get(item.name, item.name) for item in DECLARED} | NOT_OURS
    assert str(found["python"].specifier) == PROJECT["requires-python"]
    assert options == ["-e ."]


def test_bioconda_where_snakemake_is_comes_after_conda_forge():
    channels = yaml.safe_load((ROOT / "environment.yml").read_text())["channels"]
    assert channels == ["conda-forge", "bioconda", "nodefaults"]


@by_name
def test_the_lock_satisfies(wanted):
    entries = locked().get(canonicalize_name(wanted.name))
    assert entries, f"requirements.lock lacks {wanted.name}: make lock"
    for entry in entries:
        (version,) = entry.specifier
        assert wanted.specifier.contains(version.version), f"{entry} does not meet {wanted}"


def test_the_development_environment_has_the_extras():
    (own,) = [item for item in map(Requirement, EXTRAS["dev"]) if item.name == PROJECT["name"]]
    assert own.extras == set(EXTRAS) - {"dev"}


def test_the_lock_holds_what_builds_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for text in project["build-system"]["requires"]:
        wanted = Requirement(text)
        assert [entry for entry in locked()[wanted.name] for v in entry.specifier if v.version in wanted.specifier]


def test_every_entry_of_the_lock_is_pinned_and_hashed():
    rest = ENTRY.sub("", LOCK)
    assert [line for line in rest.splitlines() if line and not line.startswith("#")] == []
    for match in ENTRY.finditer(LOCK):
        (version,) = Requirement(match["requirement"]).specifier
        assert version.operator == "==" and "*" not in version.version
        words = match["hashes"].replace("\\", "").split()
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", word) for word in words)


def test_the_lock_names_no_address():
    assert "://" not in LOCK
    assert not re.search(r"--(extra-)?index|--find-links|^-[if] ", LOCK, re.MULTILINE)
