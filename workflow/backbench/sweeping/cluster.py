"""SLURM before anything is submitted: what would let jobs wait for ever is mended where that is certain, else refused.

Snakemake's plugin asks ``sacct`` for the state of its jobs if that program is installed, also where no accounting
answers it, and a job that asks for more than a node has waits in the queue without an error.
"""

import getpass
import importlib.metadata
import math
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence

from backbench import mounts, paths, settings, slurm
from backbench.engine.plan import batches
from backbench.engine.time import clusters
from backbench.findings import FAIL, WARN, Finding, fail, ok, warn
from backbench.schema import ConfigError, nearest
from backbench.slurm import Node
from backbench.sweeping import asked
from backbench.sweeping.asked import Asked
from backbench.sweeping.describing import say
from backbench.wording import counted

PLUGIN, OLDEST = "snakemake-executor-plugin-slurm", (2, 8)
INSTALL = f'type: pip install "{PLUGIN}>={OLDEST[0]}.{OLDEST[1]}"'
SECONDS = 10.0
# A job that has ended must stay in the queue's list until it is asked for.
REMEMBERED_SECONDS = 120
UNUSABLE = ("down", "drained", "draining", "fail", "failing", "maint", "unknown", "error")


def mended(options: Sequence[str]) -> list[str]:
    """The options of Snakemake, with those added without which its jobs would wait for ever; what is added is said.

    Raises
    ------
    ConfigError
        Where jobs could not run, with what to type.
    """
    options = list(options)
    if asked.executor(options) != asked.SLURM:
        return options
    findings = list(look(options))
    wrong = [finding for finding in findings if finding.verdict == FAIL]
    if wrong:
        lines = [f"{finding.subject}: {finding.seen}; {finding.to_set}" for finding in wrong]
        raise ConfigError("\n  ".join(["no job was submitted, because it could not run here:", *lines]))
    for finding in findings:
        if finding.options:
            say(f"  {finding.seen}; this launch adds {' '.join(finding.options)}")
        elif finding.verdict == WARN:
            say(f"  warning: {finding.subject}: {finding.seen}; {finding.to_set}")
        options += finding.options
    return options


def cores(asked_for: str, options: Sequence[str]) -> str:
    """The cores that all jobs together may have: those of the profile, where none are asked for by ``--cores``.

    All cores are those of this machine, which says nothing of a cluster.
    """
    if asked_for != "all" or asked.executor(options) == asked.LOCAL:
        return asked_for
    wanted = asked.read(options)
    return str(wanted.cores) if wanted and wanted.cores else asked_for


def look(options: Sequence[str]) -> Iterator[Finding]:
    """What a launch with these options finds of SLURM."""
    if not slurm.present():
        yield fail("slurm", "there is no squeue here", "start the sweep on a login node, or type: module load slurm")
        return
    plugin = _plugin()
    yield plugin
    nodes = slurm.nodes(SECONDS)
    if not nodes:
        seen = f"sinfo does not answer within {SECONDS:.0f} s" if nodes is None else "sinfo lists no nodes"
        yield fail("slurm", seen, "type: scontrol ping, and tell the cluster's administrator")
        return
    yield from _partitions(nodes)
    wanted = asked.read(options) if plugin.verdict != FAIL else None
    if wanted is None:
        return
    known = slurm.settings(SECONDS) or {}
    yield from _status(wanted, known)
    yield from _placed(wanted, nodes)
    yield from _account(wanted, known)
    yield from _seen_by(nodes)


def _plugin() -> Finding:
    """Whether Snakemake can submit jobs to SLURM."""
    try:
        version = importlib.metadata.version(PLUGIN)
    except importlib.metadata.PackageNotFoundError:
        return fail("plugin", f"{PLUGIN} is not installed", INSTALL)
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    return ok("plugin", f"{PLUGIN} {version}") if numbers >= OLDEST else fail("plugin", f"{PLUGIN} {version}", INSTALL)


def _partitions(nodes: Sequence[Node]) -> Iterator[Finding]:
    """Each partition: its nodes, what the largest has, and how long a job may take."""
    for name in dict.fromkeys(node.partition for node in nodes):
        members = [node for node in nodes if node.partition == name]
        first, gpus = members[0], max(node.gpus for node in members)
        usable = [node for node in members if not node.state.startswith(UNUSABLE)]
        sizes = f"up to {max(node.cpus for node in members)} CPUs and {max(node.memory_mb for node in members):,} MB"
        limit = f"jobs of at most {first.minutes:,.0f} minutes" if first.minutes else "jobs of any length"
        title = f"{name}{' (default)' if first.default else ''}"
        seen = f"{title}: {counted(len(members), 'node')} with {sizes}, {f'{gpus} GPUs' if gpus else 'no GPU'}, {limit}"
        if usable:
            yield ok("partition", seen)
        else:
            why = next((node.reason for node in members if node.reason), members[0].state)
            yield warn("partition", f"{seen}; none can be used now ({why})", "jobs there wait until a node is back")


def _status(wanted: Asked, known: Mapping[str, str]) -> Iterator[Finding]:
    """How Snakemake asks for the state of its jobs."""
    answers = slurm.accounting()
    asks_sacct = wanted.status_command == "sacct" or (wanted.status_command is None and answers is not None)
    if asks_sacct and answers:
        yield ok("accounting", "sacct answers")
        return
    if asks_sacct:
        seen = "sacct has no accounting to ask, and Snakemake would wait for it for ever"
        to_set = f"set slurm-status-command: squeue in {wanted.profile}"
        if wanted.status_command:
            yield fail("accounting", seen, to_set)
        else:
            yield warn("accounting", seen, f"{to_set}; `backbench sweep` adds it", ("--slurm-status-command", "squeue"))
    else:
        yield ok("accounting", "Snakemake asks squeue")
    remembered = re.match(r"\d+", known.get("MinJobAge", ""))
    if remembered and int(remembered[0]) < REMEMBERED_SECONDS:
        yield warn(
            "accounting",
            f"squeue forgets a job {remembered[0]} s after its end (MinJobAge), so that Snakemake may miss it",
            f"ask the administrator for MinJobAge={REMEMBERED_SECONDS} or accounting",
        )


def _placed(wanted: Asked, nodes: Sequence[Node]) -> Iterator[Finding]:
    """Whether the jobs fit into a partition: its name, the CPUs of its nodes, its time limit."""
    known = list(dict.fromkeys(node.partition for node in nodes))
    default = next((node.partition for node in nodes if node.default), None)
    for name in sorted(wanted.partitions - set(known)):
        near = nearest(name, known) or default or known[0]
        seen = f"there is no partition {name} (there are: {', '.join(known)})"
        yield fail("partition", seen, f"set slurm_partition: {near} in {wanted.profile}")
    named = str(wanted.resources.get("slurm_partition") or default or "")
    if not named:
        seen = f"no partition is the default (there are: {', '.join(known)}), and none is named"
        yield fail("partition", seen, f"set slurm_partition: {known[0]} under default-resources in {wanted.profile}")
    members = [node for node in nodes if node.partition in named.split(",")]
    if members:
        yield _threads(wanted, max(node.cpus for node in members), named)
        yield from _time(wanted, max((node.minutes or math.inf) for node in members), named)


def _threads(wanted: Asked, cpus: int, partition: str) -> Finding:
    """Whether a job may ask for more CPUs than a node has, with which it would wait for ever (PartitionConfig)."""
    threads = wanted.max_threads
    if threads is not None and threads <= cpus:
        return ok("max-threads", f"{threads}, and nodes of {partition} have up to {cpus} CPUs")
    if threads is None and (wanted.cores or cpus + 1) <= cpus:
        return ok("max-threads", f"jobs have at most {wanted.cores}, and nodes of {partition} up to {cpus} CPUs")
    seen = f"jobs may ask for {threads or wanted.cores or 'all'} cores, and no node of {partition} has more than {cpus}"
    return warn(
        "max-threads",
        f"{seen}: they would wait for ever (PartitionConfig)",
        f"set max-threads: {cpus} in {wanted.profile}; `backbench sweep` lowers it",
        ("--max-threads", str(cpus)),
    )


def _time(wanted: Asked, limit: float, partition: str) -> Iterator[Finding]:
    """Whether jobs ask for more time than the partition allows, or need more than that."""
    asks = wanted.resources.get("runtime")
    if isinstance(asks, int) and asks > limit:
        seen = f"jobs ask for {asks} minutes, and {partition} allows {limit:,.0f}: they would wait for ever"
        yield fail("runtime", seen, f"set runtime: {limit:.0f} under default-resources in {wanted.profile}")
    if limit < batches.START_MINUTES:
        seen = f"{partition} allows jobs {limit:,.0f} minutes, and their start may take {batches.START_MINUTES}"
        yield fail("job_minutes", seen, f"set another slurm_partition under default-resources in {wanted.profile}")
        return
    planned = wanted.resources.get("job_minutes")
    length = settings.job_minutes() or (planned if isinstance(planned, int | float) else clusters.JOB_MINUTES)
    room = (limit - batches.START_MINUTES) / batches.SAFETY
    if length > limit - batches.START_MINUTES:
        seen = f"jobs are packed to {length:g} minutes and start within {batches.START_MINUTES}; {partition} allows "
        to_set = f"give execution.job_minutes={max(1.0, room):.2g}, or set job_minutes in {wanted.profile}"
        yield warn("job_minutes", f"{seen}{limit:,.0f}, after which they are ended", to_set)


def _account(wanted: Asked, enforced: Mapping[str, str]) -> Iterator[Finding]:
    """Whether an account has to be named."""
    named = wanted.resources.get("slurm_account")
    if named or "associations" not in enforced.get("AccountingStorageEnforce", ""):
        yield ok("account", f"{named}, as the profile says" if named else "none is needed")
        return
    default, others = _accounts()
    if default:
        yield ok("account", f"{default}, which is this user's default")
    else:
        first = others[0] if others else "ACCOUNT"
        known = f" (yours: {', '.join(others)})" if others else ""
        seen = f"this cluster wants an account, and none is named{known}"
        yield warn("account", seen, f"set slurm_account: {first} under default-resources in {wanted.profile}")


def _accounts() -> tuple[str, list[str]]:
    """This user's default account and all of them; nothing where SLURM does not say."""
    command = ["sacctmgr", "-nP", "show", "user", getpass.getuser(), "withassoc", "format=defaultaccount,account"]
    if shutil.which(command[0]) is None:
        return "", []
    try:
        text = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return "", []
    rows = [line.split("|") for line in text.splitlines() if "|" in line]
    return (rows[0][0] if rows else ""), list(dict.fromkeys(row[1] for row in rows if row[1]))


def _seen_by(nodes: Sequence[Node]) -> Iterator[Finding]:
    """Whether other machines can see the results."""
    here = socket.gethostname().partition(".")[0]
    others = sorted({node.name for node in nodes} - {here})
    for name, folder, variable in (
        ("results", paths.results(), "BACKBENCH_RESULTS"),
        ("store", paths.store(), "BACKBENCH_STORE"),
        ("checkout", paths.CHECKOUT, ""),
    ):
        mount = mounts.of(folder)
        if others and mount and not mount.network:
            seen = f"{folder} lies on {mount.kind} of this machine, which {others[0]} may not see"
            yield warn(name, seen, f"set {variable} to a shared folder" if variable else "move it to a shared folder")
