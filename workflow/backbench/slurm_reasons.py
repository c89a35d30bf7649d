"""Why a SLURM job waits, in words (standard library only)."""

import re
from collections import Counter
from collections.abc import Sequence

from backbench.slurm import Job
from backbench.wording import counted, listed

TOO_LARGE = "no node of the partition has that many CPUs or that much memory: lower max-threads in the profile"
WORDS = {
    "": "SLURM has not looked at it yet",
    "Resources": "no node has enough free cores or memory now",
    "Priority": "other jobs go first",
    "Dependency": "another job has to end first",
    "BeginTime": "its time to begin has not come; after a failure SLURM waits a while",
    "JobHeldUser": "a user holds it: scontrol release ID",
    "JobHeldAdmin": "an administrator holds it",
    "JobArrayTaskLimit": "tasks of its array run already",
    "Licenses": "a licence is not free",
    "Reservation": "its reservation has not begun",
    "ReqNodeNotAvail": "nodes that it could use are down, drained or reserved",
    "NodeDown": "a node that it needs is down",
    "PartitionDown": "the partition starts no jobs now",
    "PartitionInactive": "the partition takes no jobs now",
    "Cleaning": "it is cleaned up after before it starts again",
    "Prolog": "the node is being prepared",
    "PartitionConfig": TOO_LARGE,
    "PartitionNodeLimit": TOO_LARGE,
    "PartitionTimeLimit": "it asks for more time than the partition allows: lower execution.job_minutes or runtime",
    "BadConstraints": "no node has what it asks for (features, GPUs, CPUs or memory): see set-resources in the profile",
    "AccountNotAllowed": "the account may not use the partition: set slurm_account",
    "QOSNotAllowed": "the QOS may not use the partition: set slurm_partition or qos",
    "InvalidAccount": "the account is not valid: set slurm_account",
    "InvalidQOS": "the QOS is not valid: set qos",
    "AssociationTimeLimit": "it asks for more time than the account allows: lower execution.job_minutes or runtime",
    "QOSTimeLimit": "it asks for more time than the QOS allows: lower execution.job_minutes or runtime",
}
# With these a job never starts, unless somebody changes the cluster or the job.
HOPELESS = (
    *("PartitionConfig", "PartitionNodeLimit", "PartitionTimeLimit", "BadConstraints", "AccountNotAllowed"),
    *("QOSNotAllowed", "InvalidAccount", "InvalidQOS", "AssociationTimeLimit", "QOSTimeLimit"),
)
# Of an account, a QOS or a user: what there may be at once, or for one job.
LIMIT = re.compile(r"(QOS|Assoc)(?:Grp|Max)([A-Za-z]+?)(?:Limit|PerUser|PerAccount|PerJob|PerNode|$)")
LIMITED = {"Cpu": "CPUs", "Mem": "memory", "Memory": "memory", "Jobs": "jobs", "Node": "nodes", "GRES": "GPUs"}


def words(reason: str) -> str:
    """A reason in words; SLURM's own word where it has no others."""
    key = reason.split(",")[0].split("(")[0].strip()
    if key in WORDS:
        return WORDS[key]
    limit = LIMIT.match(key)
    if limit:
        whose = "the QOS" if limit[1] == "QOS" else "the account"
        each = "one job may have" if key.endswith("PerJob") else "that may be in use at once are in use"
        return f"all {LIMITED.get(limit[2], limit[2])} of {whose} {each}"
    return key


def hopeless(job: Job) -> bool:
    """Whether a waiting job never starts as it is."""
    return job.waiting and job.reason.split(",")[0] in HOPELESS


def sentence(jobs: Sequence[Job]) -> str:
    """``3 SLURM jobs queued: no node has enough free cores or memory now``; empty where none waits."""
    counts = Counter(job.reason for job in jobs if job.waiting)
    if not counts:
        return ""
    parts = [
        f"{words(reason)} ({reason or 'None'}{f', {n}' if len(counts) > 1 else ''})" for reason, n in counts.items()
    ]
    return f"{counted(sum(counts.values()), 'SLURM job')} queued: {listed(parts, 2)}"
