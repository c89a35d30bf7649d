"""A launch on SLURM before anything is submitted: what would wait for ever is mended or refused. On the real SLURM."""

from dataclasses import replace

import pytest
from clusters import CPUS, needs_slurm, slurm

from backbench import launching, paths
from backbench import slurm as programs
from backbench.findings import FAIL, OK, WARN
from backbench.schema import ConfigError
from backbench.slurm import Node
from backbench.sweeping import asked, cluster, executors
from backbench.sweeping.asked import Asked

__all__ = ["slurm"]

PROFILE = ["--workflow-profile", str(paths.CHECKOUT / "profiles" / "slurm")]
SQUEUE = ["--slurm-status-command", "squeue"]
NODE = Node("n1", "idle", 8, 16_000, 0, "main", True, None, "")
pytestmark = pytest.mark.usefixtures("own_results")


@needs_slurm
def test_a_cluster_without_accounting_is_asked_by_squeue(slurm, capsys):
    assert cluster.mended(PROFILE) == [*PROFILE, *SQUEUE]
    assert "this launch adds --slurm-status-command squeue" in capsys.readouterr().err
    assert cluster.mended([*PROFILE, *SQUEUE]) == [*PROFILE, *SQUEUE]
    assert capsys.readouterr().err == ""


@needs_slurm
def test_sacct_by_name_is_refused_where_it_has_nothing_to_say(slurm):
    with pytest.raises(ConfigError, match=r"no job was submitted.*\n.*set slurm-status-command: squeue in "):
        cluster.mended([*PROFILE, "--slurm-status-command=sacct"])


@needs_slurm
@pytest.mark.parametrize("threads", [["--max-threads", "64"], ["--max-threads=9"]])
def test_jobs_get_no_more_threads_than_a_node_has(slurm, threads, capsys):
    assert cluster.mended([*PROFILE, *SQUEUE, *threads])[-2:] == ["--max-threads", str(CPUS)]
    assert f"no node of main has more than {CPUS}" in capsys.readouterr().err


@needs_slurm
@pytest.mark.parametrize(
    ("resources", "line"),
    [
        ("slurm_partition=mian", "there is no partition mian.*set slurm_partition: main in "),
        ("slurm_partition=main,long", "there is no partition long"),
    ],
)
def test_a_partition_that_is_not_there_is_refused(slurm, resources, line):
    with pytest.raises(ConfigError, match=line):
        cluster.mended([*PROFILE, *SQUEUE, "--default-resources", resources])


@needs_slurm
def test_every_finding_is_fine_with_the_options_that_were_added(slurm):
    findings = list(cluster.look(cluster.mended([*PROFILE, "--max-threads", "64"])))
    assert {finding.verdict for finding in findings} == {OK}
    assert [finding.subject for finding in findings] == ["plugin", "partition", "accounting", "max-threads", "account"]


@needs_slurm
def test_plain_snakemake_asks_squeue_too(slurm):
    for status in ("sacct", "squeue"):
        settings = type("Settings", (), {"status_command": status})()
        launching.suit_cluster(settings)
        assert settings.status_command == "squeue"
    launching.suit_cluster(None)


def test_other_launches_are_left_alone(monkeypatch):
    monkeypatch.setattr(programs, "nodes", None)
    for options in (
        [],
        ["-n"],
        ["--executor", "local"],
        ["--workflow-profile", str(paths.CHECKOUT / "profiles/default")],
    ):
        assert cluster.mended(options) == options


def test_without_slurm_a_launch_says_where_to_start_it(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigError, match="start the sweep on a login node"):
        cluster.mended(PROFILE)


def test_a_profile_that_is_not_there_is_refused(monkeypatch, tmp_path):
    """Snakemake would leave it out without a word and compute everything on the login node."""
    monkeypatch.chdir(tmp_path)
    line = f"type: --workflow-profile {paths.CHECKOUT}/profiles/slurm"
    for name in ("profiles/slurm", "profiles/slrum"):
        if name == "profiles/slurm":
            assert asked.executor(["--workflow-profile", str(paths.CHECKOUT / name)]) == "slurm"
        with pytest.raises(ConfigError, match=line):
            asked.executor(["--workflow-profile", name])
    assert asked.executor(["--workflow-profile", "slurm"]) == "slurm"
    assert asked.executor(["--workflow-profile", "none"]) == "local"


def test_the_last_option_counts(tmp_path):
    (tmp_path / "config.yaml").write_text("executor: slurm\nmax-threads: 3\ndefault-resources:\n  runtime: 30\n")
    options = ["--workflow-profile", str(paths.CHECKOUT / "profiles/default"), "--workflow-profile", str(tmp_path)]
    assert asked.executor(options) == "slurm"
    assert asked.executor([*options, "-e", "local"]) == "local"
    read = asked.read([*options, "--cores", "64"])
    assert (read.max_threads, read.cores, read.resources["runtime"]) == (3, 64, 30)
    assert read.profile == str(tmp_path / "config.yaml")
    assert asked.read(["--no-such-option"]) is None


@pytest.mark.parametrize(
    ("wanted", "node", "verdict"),
    [
        (Asked(max_threads=8), NODE, OK),
        (Asked(max_threads=None, cores=8), NODE, OK),
        (Asked(max_threads=None, cores=64), NODE, WARN),
        (Asked(max_threads=None, cores=None), NODE, WARN),
        (Asked(max_threads=8, resources={"runtime": 120}), Node("n", "idle", 8, 1, 0, "main", True, 60.0, ""), FAIL),
        (Asked(max_threads=8, resources={"runtime": 60}), Node("n", "idle", 8, 1, 0, "main", True, 60.0, ""), OK),
        (Asked(max_threads=8), Node("n", "idle", 8, 1, 0, "main", False, None, ""), FAIL),
        (
            Asked(max_threads=8, resources={"slurm_partition": "main"}),
            Node("n", "idle", 8, 1, 0, "main", False, None, ""),
            OK,
        ),
    ],
)
def test_what_does_not_fit_into_a_partition(wanted, node, verdict):
    worst = max((finding.verdict for finding in cluster._placed(wanted, [node])), key=(OK, WARN, FAIL).index)
    assert worst == verdict


@pytest.mark.parametrize(("minutes", "verdict"), [(4.0, FAIL), (12.0, WARN), (30.0, OK)])
def test_a_partition_with_too_little_time_for_a_job_is_told_of(minutes, verdict):
    node = replace(NODE, minutes=minutes)
    found = list(cluster._placed(Asked(max_threads=8, resources={"job_minutes": 10}), [node]))
    assert found[-1].verdict == verdict


def test_the_limit_of_jobs_is_the_smallest_of_their_partitions():
    limits = {"main": None, "short": 30.0, "long": 600.0}
    nodes = [replace(NODE, partition=name, default=name == "main", minutes=limits[name]) for name in limits]
    named = {("",): None, ("short",): 30, ("short,long",): 600, ("", "long"): 600, ("long", "short"): 30}
    assert {each: executors.shortest(each, nodes) for each in named} == named


def test_the_default_partition_counts_where_a_profile_names_none(monkeypatch):
    short = replace(NODE, minutes=30.0)
    monkeypatch.setattr(programs, "nodes", lambda: [short, replace(NODE, partition="gpu", default=False, minutes=9.0)])
    monkeypatch.setattr("sys.argv", ["snakemake", *PROFILE])
    assert executors.of_main_process().limit == 30
    monkeypatch.setattr("sys.argv", ["snakemake", *PROFILE, "--set-resources", "compute_on_gpu:slurm_partition=gpu"])
    assert executors.of_main_process().limit == 9


def test_a_cluster_that_wants_an_account_is_told_of():
    enforced = {"AccountingStorageEnforce": "associations,limits"}
    assert [finding.verdict for finding in cluster._account(Asked(resources={"slurm_account": "lab"}), enforced)] == [
        OK
    ]
    assert [finding.verdict for finding in cluster._account(Asked(), {"AccountingStorageEnforce": "none"})] == [OK]


def test_a_partition_without_usable_nodes_says_why():
    down = Node("n1", "drained", 8, 16_000, 2, "gpu", False, 90.0, "disk broken")
    fine, broken = cluster._partitions([NODE, down])
    assert (fine.verdict, broken.verdict) == (OK, WARN)
    assert "2 GPUs, jobs of at most 90 minutes; none can be used now (disk broken)" in broken.seen
