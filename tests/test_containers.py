"""The image, the file for Apptainer and the profiles: in step with the checkout, with each other and with Snakemake."""

import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from backbench import launching, paths

ROOT = paths.CHECKOUT
DOCKERFILE = (ROOT / "Dockerfile").read_text()
DEFINITION = (ROOT / "containers" / "backbench.def").read_text()
LOCK = (ROOT / "requirements.lock").read_text()
PROFILES = sorted(path.parent.name for path in (ROOT / "profiles").glob("*/config.yaml"))
# What a sweep reads of the checkout, and what the installation needs.
PARTS = {
    "LICENSE",
    "README.md",
    "Snakefile",
    "conf",
    "profiles",
    "pyproject.toml",
    "requirements.lock",
    "scripts",
    "workflow",
}


def instructions() -> list[tuple[str, str]]:
    """(instruction, rest) of each line of the Dockerfile, continued lines joined."""
    lines = re.sub(r"\\\n\s*", "", DOCKERFILE).splitlines()
    return [tuple(line.split(" ", 1)) for line in lines if line.strip() and not line.startswith("#")]


def section(name: str) -> list[str]:
    """The lines of a section of Apptainer's file."""
    text = DEFINITION.split(f"\n%{name}\n", 1)[1].split("\n%", 1)[0]
    return [line.strip() for line in text.splitlines() if line.strip()]


def test_both_begin_with_the_same_slim_python_that_the_package_allows():
    images = {rest.split()[0] for word, rest in instructions() if word == "FROM"}
    assert images == set(re.findall(r"^From: (\S+)$", DEFINITION, re.MULTILINE)) and len(images) == 1
    (version,) = re.findall(r"^python:([\d.]+)-slim", images.pop())
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert Requirement(f"python{needed}").specifier.contains(version)


def test_both_are_made_of_the_parts_that_a_sweep_needs():
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {line[1:] for line in ignored if line.startswith("!")} == PARTS and "*" in ignored
    copied = [line.split() for line in section("files")]
    assert {source for source, _ in copied} == PARTS
    assert all(target == f"/opt/backbench/{source}" for source, target in copied)
    assert all((ROOT / part).exists() for part in PARTS)


def test_the_image_runs_backbench_as_an_ordinary_user():
    last = dict(instructions())
    assert last["USER"] == "1000" and last["ENTRYPOINT"] == '["backbench"]'
    assert "scripts/install.sh" in DOCKERFILE and "scripts/install.sh" in DEFINITION


def test_both_name_the_same_folders():
    words = next(rest for word, rest in instructions() if word == "ENV")
    inside = dict(word.split("=", 1) for word in shlex.split(words))
    exports = dict(re.findall(r"export (\w+)=(\S+)", "\n".join(section("environment"))))
    assert inside.keys() == exports.keys()
    assert inside["BACKBENCH_RESULTS"] == "/results" and "/results" in exports["BACKBENCH_RESULTS"]


@pytest.mark.parametrize("torch", ["locked", "cpu"])
def test_the_installation_leaves_no_locked_library_out(tmp_path, torch):
    """With the arguments that pip gets: every entry of the lock with its hashes, PyTorch of its CPU index without."""
    (tmp_path / "bin").mkdir()
    pip = tmp_path / "bin" / "pip"
    pip.write_text(
        f"""#!/bin/sh
[ "$*" = "install --quiet --disable-pip-version-check uv" ] && exit 1
echo "$@" >>{tmp_path}/calls
for word; do case $word in *.lock|/tmp/*) cat "$word" >{tmp_path}/lock;; esac; done
"""
    )
    pip.chmod(0o755)
    command = ["sh", str(ROOT / "scripts" / "install.sh"), str(tmp_path / "bin"), torch]
    environment = {**os.environ, "TMPDIR": "/tmp"}
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, env=environment)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[-1] == "install --quiet --no-deps --no-build-isolation -e ."
    assert "--require-hashes" in calls[-2]
    names = re.compile(r"^([a-z0-9][a-z0-9._-]*)==", re.MULTILINE)
    missing = set(names.findall(LOCK)) - set(names.findall((tmp_path / "lock").read_text()))
    if torch == "locked":
        assert not missing and len(calls) == 2
        return
    cuda = {name for name in missing if name.startswith(("nvidia-", "cuda-", "triton"))}
    assert missing - cuda == {"torch", "torchvision"} and cuda
    wanted = re.findall(r"^(torch|torchvision)==(\S+)", LOCK, re.MULTILINE)
    assert calls[0].endswith(" ".join(f"{name}=={version}" for name, version in wanted))
    assert "--index-url https://download.pytorch.org/whl/cpu" in calls[0] and "--no-deps" in calls[0]


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_have_options_of_snakemake(name):
    from snakemake.cli import get_argument_parser

    known = {text.lstrip("-") for action in get_argument_parser()._actions for text in action.option_strings}
    settings = yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text())
    # The plugin for Kubernetes is installed by those who use it.
    assert {key for key in settings if not key.startswith("kubernetes-")} <= known


def test_the_profile_for_kubernetes_fits_its_manifest_and_the_image():
    profile = yaml.safe_load((ROOT / "profiles" / "kubernetes" / "config.yaml").read_text())
    parts = {part["kind"]: part for part in yaml.safe_load_all((ROOT / "containers" / "kubernetes.yaml").read_text())}
    claim, path = profile["kubernetes-persistent-volumes"].split(":")
    assert parts["PersistentVolumeClaim"]["metadata"]["name"] == claim
    assert parts["PersistentVolumeClaim"]["spec"]["accessModes"] == ["ReadWriteMany"]
    pod = parts["Job"]["spec"]["template"]["spec"]
    (launcher,) = pod["containers"]
    assert launcher["image"] == profile["container-image"]
    assert [mount["mountPath"] for mount in launcher["volumeMounts"]] == [path] == ["/results"]
    assert pod["volumes"][0]["persistentVolumeClaim"]["claimName"] == claim
    assert pod["serviceAccountName"] == parts["ServiceAccount"]["metadata"]["name"]
    profile_named = Path(launcher["args"][launcher["args"].index("--workflow-profile") + 1])
    assert (ROOT / profile_named / "config.yaml").is_file() and launcher["workingDir"] == "/opt/backbench"
    assert profile["envvars"] == ["BACKBENCH_PLAN", launching.BATCHES]
