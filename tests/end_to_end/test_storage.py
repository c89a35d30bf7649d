"""Jobs that share nothing with Snakemake but S3, as pods of Kubernetes do; their store is a folder that all see.

SLURM takes the place of Kubernetes, and moto's server on loopback that of S3. The options are those of
profiles/kubernetes.
"""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
import workbench
import yaml
from clusters import free_port, needs_slurm, slurm
from test_cluster_page import TINY
from workbench import Bench, copy_checkout, end_all, tracked, wait_until

from backbench import paths

__all__ = ["slurm"]

PROFILE = yaml.safe_load((paths.CHECKOUT / "profiles" / "kubernetes" / "config.yaml").read_text())
SHARED_NOTHING = ("--shared-fs-usage", "none", "--job-deploy-sources")
# Nothing is worth waiting for on one machine.
QUICK = ("--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "15")


@pytest.fixture
def s3() -> Iterator[str]:
    """Address of an S3 that is empty."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        assert wait_until(lambda: _answers(address))
        yield address
    finally:
        server.kill()
        server.wait()


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(f"{address}/moto-api/data.json", timeout=1).close()
    except OSError:
        return False
    return True


@needs_slurm
@pytest.mark.thorough
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("slurm")
def test_a_sweep_whose_jobs_get_the_sources_and_leave_the_receipts_in_s3(s3, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(workbench, "PATIENCE", 1500)
    checkout = copy_checkout(tmp_path / "checkout")
    (checkout / "conf" / "experiment" / "tiny.yaml").write_text(TINY.format(photos=folder))
    names = ("ENDPOINT_URL", "ACCESS_KEY", "SECRET_KEY")
    keys = {f"SNAKEMAKE_STORAGE_S3_{name}": value for name, value in zip(names, (s3, "x", "y"), strict=True)}
    # As in the image, `python` is the one that has Snakemake.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    bench = Bench(checkout, tmp_path / "results", {**keys, "PATH": path})
    assert PROFILE["default-storage-provider"] == "s3"
    storage = ("--default-storage-provider", "s3", "--default-storage-prefix", "s3://bucket/launch")
    try:
        bench.snakemake(
            *("--workflow-profile", "profiles/slurm", "--config", "experiment=tiny"),
            *SHARED_NOTHING,
            *storage,
            *QUICK,
            check=0,
        )
    finally:
        end_all(bench.results)
    assert len(tracked(bench.database)) == 2
    [receipt] = (bench.results / "receipts" / "batch").glob("*.json")
    client = boto3.client("s3", "us-east-1", endpoint_url=s3, aws_access_key_id="x", aws_secret_access_key="y")
    stored = client.get_object(Bucket="bucket", Key=f"launch{receipt}")["Body"].read()
    assert json.loads(stored) == json.loads(receipt.read_text())
