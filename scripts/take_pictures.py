"""Take the pictures of the documents: the report and MLflow's own pages over a finished sweep, in a headless Chromium.

python scripts/take_pictures.py                 of results/, into docs/images
python scripts/take_pictures.py --to FOLDER

Needs `chromium` on the PATH, playwright (the extra `dev`), and a sweep with pictures (`make sweep`).
"""

import argparse
import io
import itertools
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from backbench import paths, tracking
from backbench.tracking import views
from backbench.tracking.pages import QUIET

if TYPE_CHECKING:
    from playwright.sync_api import Page

SIZE = {"width": 1560, "height": 860}
WAIT_SECONDS = 120
SETTLE = 3500
# What stands below the table as soon as it is filled.
LISTED = re.compile(r"^[1-9]\d* matching run")
AXES = ("backbone.name", "chain", "clusterer.name", "k")
METRIC = "ami"
# What the pictures of saved views are called; which of some alternatives there is depends on what was measured.
VIEWS = dict(zip(("clusterings", "classifiers", "retrieval", "k-curves"), (*views.RANKED, views.CURVES), strict=True))
# MLflow's layout for model training.
TRAINING = "workflowType=machine_learning"
PALETTE = 128
LONGEST_LIST = 300
# Where the results lie is the business of whoever took the picture.
WITHOUT_PATHS = """() => document.querySelectorAll("body *").forEach((own) => {
  if (!own.children.length && own.textContent.includes("file://")) own.style.visibility = "hidden"
})"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", type=Path, default=paths.CHECKOUT / "docs" / "images", help="default: docs/images")
    folder = parser.parse_args().to
    folder.mkdir(parents=True, exist_ok=True)
    with _server() as address, _page() as page:
        for name, picture in itertools.chain(_report(page), _mlflow(page, address)):
            target = folder / f"{name}.png"
            target.write_bytes(_small(picture))
            print(target)
    return 0


def _report(page: "Page") -> Iterator[tuple[str, bytes]]:
    """The top of the newest report."""
    newest = max(paths.sweeps().glob("*/report.html"), key=lambda path: path.stat().st_mtime, default=None)
    if newest is None:
        raise SystemExit("no report here; `make sweep` writes one")
    page.goto(newest.as_uri())
    page.wait_for_timeout(SETTLE)
    yield "report", page.screenshot()


def _mlflow(page: "Page", address: str) -> Iterator[tuple[str, bytes]]:
    experiment, runs = _runs(address)
    shown = f"{address}/#/experiments/{experiment['experiment_id']}/runs"
    plain = [run for run in runs if "config_hash" in _tags(run)]
    summary = next(run for run in runs if "sweep_summary" in _tags(run))
    place = experiment["experiment_id"]
    page.goto(shown)
    # Remembered for every page that follows.
    page.get_by_text("Model training", exact=True).first.click(timeout=1000 * WAIT_SECONDS)
    yield "mlflow-runs", runs_page(page, views.link(address, place, ""))
    kept = {tag["key"] for tag in experiment.get("tags", [])}
    seen = {name: next(view.key for view in each if view.tag in kept) for name, each in VIEWS.items()}
    for name, key in seen.items():
        yield f"mlflow-{name}", runs_page(page, views.link(address, place, key), wait=3)
    as_charts = views.link(address, place, seen["clusterings"], views.CHART)
    yield "mlflow-comparison", runs_page(page, as_charts, wait=3)
    yield "mlflow-compare", compared(page, address, place, plain[:: max(1, len(plain) // 6)][:6])
    yield "mlflow-summary", whole(page, f"{shown}/{summary['info']['run_id']}", "Description")
    drawn = next(run for run in plain if _has_pictures(address, run))
    yield "mlflow-picture", artifact(page, f"{shown}/{drawn['info']['run_id']}/artifacts")


def runs_page(page: "Page", url: str, wait: int = 1) -> bytes:
    """The runs of an experiment as a saved view, or the page itself, shows them; charts take longer than tables."""
    page.goto("about:blank")
    page.goto(url)
    page.get_by_text(LISTED).wait_for(timeout=1000 * WAIT_SECONDS)
    _close_assistant(page)
    page.wait_for_timeout(wait * SETTLE)
    return page.screenshot()


def compared(page: "Page", address: str, experiment: str, runs: Sequence[dict]) -> bytes:
    """The page that compares runs: parallel coordinates over the axes, and the runs side by side."""
    page.goto("about:blank")
    ids = urllib.parse.quote(json.dumps([run["info"]["run_id"] for run in runs]))
    inside = f"runs={ids}&experiments={urllib.parse.quote(json.dumps([experiment]))}"
    page.goto(f"{address}/#/compare-runs?{inside}&{TRAINING}")
    page.get_by_text("Clear All").wait_for(timeout=1000 * WAIT_SECONDS)
    page.get_by_text("Clear All").click()
    for place, names in enumerate((AXES, (METRIC,))):
        page.get_by_role("combobox").nth(place).click()
        for name in names:
            _choose(page, name)
        page.keyboard.press("Escape")
    _close_assistant(page)
    page.wait_for_timeout(SETTLE)
    page.set_viewport_size({**SIZE, "height": 1500})
    page.wait_for_timeout(SETTLE)
    picture = page.screenshot()
    page.set_viewport_size(SIZE)
    return picture


def _choose(page: "Page", name: str) -> None:
    """Go down an open list, of which only a part is there at a time, and take the option of this name."""
    active = page.locator('[class*="select-item-option-active"]:visible')
    for _ in range(LONGEST_LIST):
        if active.count() and active.first.inner_text().strip() == name:
            page.keyboard.press("Enter")
            return
        page.keyboard.press("ArrowDown")
    raise SystemExit(f"MLflow's list has no {name}")


def whole(page: "Page", url: str, unfold: str) -> bytes:
    """One page of a run with its note unfolded, from the heading `unfold` on."""
    page.goto(url)
    page.wait_for_timeout(2 * SETTLE)
    _close_assistant(page)
    page.get_by_text("Show more").first.click()
    page.get_by_text(unfold, exact=True).first.scroll_into_view_if_needed()
    page.mouse.move(700, 500)
    page.mouse.wheel(0, 260)
    page.wait_for_timeout(SETTLE)
    return page.screenshot()


def artifact(page: "Page", url: str) -> bytes:
    """A picture among the artifacts of its run."""
    page.goto(url)
    page.wait_for_timeout(2 * SETTLE)
    _close_assistant(page)
    page.get_by_text("pictures", exact=True).first.click()
    page.wait_for_timeout(SETTLE)
    page.get_by_text("confusion.png").first.click()
    page.wait_for_timeout(SETTLE)
    page.evaluate(WITHOUT_PATHS)
    return page.screenshot()


def _close_assistant(page: "Page") -> None:
    close = page.locator('button[aria-label="Close"]')
    if close.count() and close.first.is_visible():
        close.first.click()
        page.wait_for_timeout(500)


def _runs(address: str) -> tuple[dict, list[dict]]:
    found = _post(address, "experiments/search", {"max_results": 50})["experiments"]
    for experiment in found:
        body = {"experiment_ids": [experiment["experiment_id"]], "max_results": 2000}
        runs = _post(address, "runs/search", body).get("runs", [])
        if any("sweep_summary" in _tags(run) for run in runs):
            return experiment, runs
    raise SystemExit("no sweep is recorded here; `make sweep` makes one")


def _tags(run: dict) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in run["data"].get("tags", [])}


def _has_pictures(address: str, run: dict) -> bool:
    query = urllib.parse.urlencode({"run_id": run["info"]["run_id"], "path": "pictures"})
    with urllib.request.urlopen(f"{address}/api/2.0/mlflow/artifacts/list?{query}") as answer:
        return "confusion.png" in answer.read().decode()


def _post(address: str, what: str, body: dict) -> dict:
    request = urllib.request.Request(f"{address}/api/2.0/mlflow/{what}", json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


@contextmanager
def _server() -> Iterator[str]:
    """MLflow's pages on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = tracking.ui_command(tracking.address(), tracking.artifact_place(), port)
    process = subprocess.Popen(command, env={**os.environ, **QUIET}, stderr=subprocess.DEVNULL)
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _wait_for(url: str, process: subprocess.Popen) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            urllib.request.urlopen(url).close()
            return
        except OSError:
            time.sleep(0.5)
    raise SystemExit("MLflow's pages did not start")


@contextmanager
def _page() -> Iterator["Page"]:
    from playwright.sync_api import sync_playwright

    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        raise SystemExit("no chromium on the PATH; on Debian: apt-get install chromium")
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        yield opened.new_page(viewport=SIZE)
        opened.close()


def _small(picture: bytes) -> bytes:
    """The picture with a palette: a third of its size, and the text as sharp."""
    from PIL import Image

    target = io.BytesIO()
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(PALETTE).save(target, "PNG", optimize=True)
    return target.getvalue()


if __name__ == "__main__":
    sys.exit(main())
