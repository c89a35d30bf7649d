"""What `backbench doctor` finds: every probe for real, and each kind of fault where it can be had here."""

import dataclasses
import importlib.metadata
import json
import os
import socket
import stat
from pathlib import Path

import pytest

from backbench import cli, mounts, paths
from backbench.doctor import environment, folders, hardware, rounds, scheduler, services
from backbench.doctor.probes import PROBES
from backbench.findings import FAIL, OK, WARN, Finding

pytestmark = pytest.mark.usefixtures("own_results")


@pytest.fixture
def quiet(monkeypatch):
    """No network, and none of the caches of whoever runs the tests."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def verdicts(findings) -> dict[str, str]:
    """The worst verdict of each subject."""
    rank = (OK, WARN, FAIL)
    worst: dict[str, str] = {}
    for finding in findings:
        worst[finding.subject] = max(worst.get(finding.subject, OK), finding.verdict, key=rank.index)
    return worst


def without_slurm(monkeypatch, tmp_path):
    """A PATH on which there is no program of SLURM."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def test_every_probe_answers_and_nothing_is_left_behind(quiet, tmp_path, capsys, monkeypatch):
    without_slurm(monkeypatch, tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = sorted(tmp_path.rglob("*"))
    status = cli.main(["doctor", "--format", "json"])
    findings = [Finding(**record) for record in json.loads(capsys.readouterr().out)]
    subjects = [
        "python",
        "libraries",
        "cores",
        "memory",
        "precision",
        "gpu",
        "results",
        "store",
        "tmpdir",
        "mlflow",
        "weights",
        "slurm",
    ]
    assert list(dict.fromkeys(finding.subject for finding in findings)) == subjects
    assert status == int(FAIL in verdicts(findings).values())
    assert verdicts(findings)["weights"] == WARN
    assert all(finding.to_set for finding in findings if finding.verdict != OK)
    assert sorted(tmp_path.rglob("*")) == before


def test_the_text_has_one_line_for_each_finding(quiet, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        rounds, "examine", lambda options: [Finding("store", WARN, "full", "make room"), Finding("a", OK, "b")]
    )
    assert cli.main(["doctor"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "warn  store          full; make room",
        "ok    a              b",
        "2 findings: 1 ok, 1 warn",
    ]
    monkeypatch.setattr(rounds, "examine", lambda options: [Finding("store", FAIL, "full", "make room")])
    assert cli.main(["doctor"]) == 1


def test_a_probe_that_hangs_is_a_finding(tmp_path, monkeypatch):
    """A sinfo that never answers, as where its controller is unreachable."""
    (tmp_path / "bin").mkdir()
    for name in ("sinfo", "squeue"):
        program = tmp_path / "bin" / name
        program.write_text("#!/bin/sh\nexec sleep 600\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    probes = {"slurm": dataclasses.replace(PROBES["slurm"], seconds=2)}
    (finding,) = rounds.examine(probes=probes)
    assert (finding.subject, finding.verdict, finding.seen) == ("slurm", FAIL, "no answer within 2 s")
    assert "sinfo" in finding.to_set


def test_a_probe_that_breaks_is_a_finding():
    probes = {"broken": PROBES["store"]}
    (finding,) = rounds.examine(probes=probes)
    assert finding.verdict == FAIL and "KeyError: 'broken'" in finding.seen


def test_libraries_that_are_not_as_locked_are_named(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    pretend(tmp_path, "rich", "99.0")
    pretend(tmp_path, "torch", f"{importlib.metadata.version('torch')}+cpu")  # as PyTorch's own index calls it
    libraries = next(finding for finding in environment.look([]) if finding.subject == "libraries")
    assert libraries.verdict == WARN and libraries.seen.startswith("1 version not as tested: rich 99.0 (locked: ")
    assert libraries.to_set == "type: sh scripts/install.sh .venv/bin"


@pytest.mark.parametrize(("name", "version"), [("torch", "2.13.0"), ("numpy", "1.26.4")])
def test_a_library_that_backbench_cannot_use_fails(tmp_path, monkeypatch, name, version):
    monkeypatch.syspath_prepend(tmp_path)
    pretend(tmp_path, name, version)
    libraries = next(finding for finding in environment.look([]) if finding.subject == "libraries")
    assert libraries.verdict == FAIL and f"{name} {version} (needed: " in libraries.seen


def pretend(folder: Path, name: str, version: str) -> None:
    """Metadata of an installed library."""
    about = folder / f"{name}-{version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def test_little_memory_is_told(monkeypatch):
    for megabytes, verdict in ((1_000, FAIL), (3_000, WARN), (64_000, OK)):
        monkeypatch.setattr("backbench.machine.memory_mb", lambda megabytes=megabytes: megabytes)
        assert verdicts(hardware.machine_has([]))["memory"] == verdict


@pytest.mark.parametrize(
    ("features", "words"),
    [
        ("avx512_bf16", "float32 and bfloat16: "),
        ("avx512_vnni", "float32 and int8: "),
        ("amx_bf16 amx_int8", "float32, bfloat16 and int8: "),
        ("avx2", "float32; "),
    ],
)
def test_the_precisions_of_the_processor_are_named(monkeypatch, features, words):
    monkeypatch.setattr("backbench.provenance.cpu_features", lambda: features)
    seen = {finding.subject: finding for finding in hardware.machine_has([])}
    assert seen["precision"].verdict == OK and seen["precision"].seen.startswith(words)


@pytest.mark.parametrize(("features", "extra"), [("amx_bf16", "openvino"), ("amx_bf16 amx_int8", "int8")])
@pytest.mark.parametrize("installed", [True, False])
def test_a_precision_that_needs_an_extra_names_it(monkeypatch, installed, features, extra):
    monkeypatch.setattr("backbench.provenance.cpu_features", lambda: features)
    monkeypatch.setattr("backbench.backbones._engine._installed", lambda package: installed)
    seen = {finding.subject: finding for finding in hardware.machine_has([])}
    assert seen["precision"].seen.endswith(f" with the extra {extra}") is not installed


def test_a_folder_that_cannot_be_written_fails(monkeypatch):
    monkeypatch.setenv("BACKBENCH_RESULTS", "/proc/backbench")
    (finding,) = folders.results([])
    assert finding.verdict == FAIL and "cannot be written" in finding.seen
    assert finding.to_set == "type: export BACKBENCH_RESULTS=FOLDER"


def test_a_full_folder_is_told(monkeypatch, tmp_path):
    usage = type("Usage", (), {"free": 5 * 10**9})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    assert verdicts(folders.results([]))["results"] == WARN
    usage.free = 10**8
    assert verdicts(folders.results([]))["results"] == FAIL


def test_a_missing_tmpdir_fails_and_one_in_memory_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))
    assert verdicts(folders.tmpdir([]))["tmpdir"] == FAIL
    monkeypatch.setenv("TMPDIR", "/dev/shm")
    assert verdicts(folders.tmpdir([]))["tmpdir"] == WARN


LISTED = r"""
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 27 0:40 / /home rw,relatime - nfs4 server:/home rw,vers=4.2,local_lock=none
31 27 0:41 / /my\040data rw - nfs server:/data rw,vers=3,nolock,local_lock=all
32 27 0:42 / /scratch rw - lustre 10.0.0.1@tcp:/scratch rw,localflock
33 27 0:43 / /home/local rw - xfs /dev/sdb rw
"""


@pytest.fixture
def listed(tmp_path, monkeypatch):
    """A list of file systems as a login node may have it."""
    (tmp_path / "mountinfo").write_text(LISTED.strip() + "\n")
    monkeypatch.setattr(mounts, "LISTED", tmp_path / "mountinfo")


@pytest.mark.parametrize(
    ("path", "kind", "network", "locks"),
    [
        ("/home/me/results", "nfs4", True, ""),
        ("/home/local/me", "xfs", False, ""),
        ("/my data/results", "nfs", True, "nolock"),
        ("/scratch/me", "lustre", True, "localflock"),
        ("/homes", "ext4", False, ""),
    ],
)
def test_the_file_system_of_a_path(listed, path, kind, network, locks):
    mount = mounts.of(Path(path))
    assert (mount.kind, mount.network, mount.unshared_locks) == (kind, network, locks)


def test_locks_that_other_machines_do_not_see_are_told(tmp_path, monkeypatch):
    line = f"27 1 0:41 / {tmp_path} rw - nfs server:/data rw,nolock\n"
    (tmp_path / "mountinfo").write_text(line)
    monkeypatch.setattr(mounts, "LISTED", tmp_path / "mountinfo")
    findings = {finding.subject: finding for finding in folders.results([])}
    assert "on nfs (shared)" in findings["results"].seen
    assert findings["locks"].verdict == WARN and "nolock" in findings["locks"].seen


def test_the_store_of_a_group(tmp_path, monkeypatch):
    store = tmp_path / "store"
    store.mkdir()
    monkeypatch.setenv("BACKBENCH_STORE", str(store))
    seen = {}
    for mode in (0o755, 0o775, 0o2775, 0o777):
        store.chmod(mode)
        seen[mode] = [finding.to_set for finding in folders.store([]) if finding.verdict != OK]
    setgid = f"type: find {store} -type d -exec chmod g+s {{}} +"
    assert seen == {0o755: [], 0o775: [setgid], 0o2775: [], 0o777: [f"type: chmod o-w {store}", setgid]}
    assert stat.S_IMODE(store.stat().st_mode) == 0o777


def test_mlflow_that_does_not_answer_fails(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@127.0.0.1:{port}")
    (finding,) = services.mlflow([])
    assert finding.verdict == FAIL and "refused" in finding.seen
    assert "secret" not in finding.seen


def test_the_caches_of_weights_are_counted(quiet, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    (tmp_path / "torch" / "hub" / "checkpoints").mkdir(parents=True)
    (tmp_path / "torch" / "hub" / "checkpoints" / "resnet18-f37072fd.pth").touch()
    (tmp_path / "hf" / "hub" / "models--timm--vit").mkdir(parents=True)
    (finding,) = services.weights([])
    assert "1 file in" in finding.seen and "1 model in" in finding.seen and "HF_HUB_OFFLINE is set" in finding.seen


def test_without_slurm_there_is_nothing_to_look_at(monkeypatch, tmp_path):
    without_slurm(monkeypatch, tmp_path)
    assert [finding.verdict for finding in scheduler.look([])] == [OK]
    (finding,) = scheduler.look(["--workflow-profile", str(paths.CHECKOUT / "profiles" / "slurm")])
    assert finding.verdict == FAIL and "login node" in finding.to_set
