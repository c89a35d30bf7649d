"""What the documents say is so: commands parse, links and files are there, generated pages are fresh."""

import os
import re
import runpy
import shlex
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import yaml

from backbench import cli, clusterers, compose, lock, paths, planning, schema

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "results" / "README.md"])
README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
NAMED = re.compile(r"`((?:benchmarks|conf|docs|profiles|scripts|tests|workflow)/[\w./*-]*)`")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
OVERRIDDEN = ("plan", "sweep", "paper")


def blocks(text: str, language: str) -> list[str]:
    return [match["text"] for match in BLOCK.finditer(text) if match["language"] == language]


def commands() -> list[tuple[str, list[str]]]:
    """(page, words) of every command in the pages."""
    listed = []
    for page in PAGES:
        for line in "".join(blocks(page.read_text(), "bash")).splitlines():
            words = shlex.split(line, comments=True)
            if words:
                listed.append((page.name, words))
    return listed


def of(program: str) -> list:
    """Commands that call `program`, as test parameters."""
    chosen = [(page, words) for page, words in commands() if Path(words[0]).name == program]
    return [pytest.param(words[1:], id=f"{page}: {shlex.join(words)}") for page, words in chosen]


def script(name: str) -> dict:
    return runpy.run_path(str(ROOT / "scripts" / f"{name}.py"))


@pytest.mark.parametrize("words", of("backbench"))
def test_backbench_listedparse(words):
    arguments, rest = cli._split(words[: words.index(">")] if ">" in words else words)
    if "--help" not in arguments:
        args = cli._parsed(arguments)
        named = [f"experiment={args.name}"] if args.command == "paper" and args.name else []
        words = getattr(args, "overrides", ())
        given = [word for word in words if "=" in word or word.startswith("~sweep.")]
        if len(given) < len(words):  # a word without = is the path of a collection
            given = ["dataset=folder", *given]
        if args.command in OVERRIDDEN and (given or named):
            assert compose.expand([*named, *given]).cells
    if rest:
        from snakemake.cli import get_argument_parser

        assert (ROOT / get_argument_parser().parse_args(rest).workflow_profile / "config.yaml").is_file()


@pytest.mark.parametrize("words", of("make"))
def test_make_listedname_targets(words):
    words = words[: words.index("&&")] if "&&" in words else words
    done = subprocess.run(["make", "-n", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", of("snakemake"))
def test_snakemake_listedparse(words):
    from snakemake.cli import get_argument_parser

    args = get_argument_parser().parse_args(words)
    for experiment in re.findall(r"experiment=(\w+)", " ".join(args.config or [])):
        assert (paths.conf() / "experiment" / f"{experiment}.yaml").is_file()


def test_no_other_programs_are_called():
    known = {"backbench", "make", "snakemake", "source", "pip", "conda", "python", "mlflow", "curl", "printf"}
    known |= {"apptainer", "chgrp", "chmod", "docker", "export", "find", "kubectl", "mkdir", "sbatch", "sudo"}
    assert {Path(words[0]).name for _, words in commands()} <= known


def test_links_lead_somewhere():
    wrong = []
    for page in PAGES:
        for target in (match["target"] for match in LINK.finditer(page.read_text())):
            file, _, anchor = target.partition("#")
            if "://" in file:
                continue
            linked = (page.parent / file) if file else page
            if not linked.exists() or (anchor and anchor not in slugs(linked)):
                wrong.append(f"{page.relative_to(ROOT)} links to {target}")
    assert not wrong, "\n".join(wrong)


def slugs(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    titles = HEADING.findall(page.read_text())
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_named_files_are_there():
    named = [(page, name) for page in PAGES for name in NAMED.findall(page.read_text())]
    wrong = [f"{page.relative_to(ROOT)} names {name}" for page, name in named if not any(ROOT.glob(name.rstrip("/")))]
    assert named and not wrong, "\n".join(wrong)


def test_named_variables_are_read_by_the_code():
    code = "".join(path.read_text() for path in (ROOT / "workflow").rglob("*.py"))
    named = [(page, name) for page in PAGES for name in sorted(set(re.findall(r"BACKBENCH_[A-Z]+", page.read_text())))]
    wrong = [f"{page.relative_to(ROOT)} names {name}" for page, name in named if name not in code]
    assert named and not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", ["write_architecture", "write_catalogue", "write_figures"])
def test_generated_pages_are_fresh(name):
    done = subprocess.run([sys.executable, ROOT / "scripts" / f"{name}.py", "--check"], check=False)
    assert done.returncode == 0, "run `make docs`"


def test_the_picture_shows_the_default_experiment():
    picture = (ROOT / "docs" / "dag.svg").read_text()
    plan = planning.make([], fingerprint=False).plan
    assert script("draw_dag")["describe"](plan) in picture, "run scripts/draw_dag.py"


def test_the_picture_is_drawn_alike_every_time(tmp_path):
    drawing = script("draw_dag")
    plan = planning.make(["experiment=none", "k=2,3", "chain=none,pca50"], fingerprint=False).plan
    pictures = []
    for name in ("one.svg", "two.svg"):
        drawing["draw"](plan, tmp_path / name)
        pictures.append((tmp_path / name).read_bytes())
    assert pictures[0] == pictures[1]
    assert b"<dc:date>" not in pictures[0]


def test_the_readme_counts_the_default_experiment():
    plan = planning.make([], fingerprint=False).plan
    fits = sum(stage.kind in ("clustering", "classification", "retrieval") for stage in plan.stages.values())
    assert f"{len(plan.runs)} runs from {fits} distinct fits, in {len(plan.shards)} jobs" in README


def test_the_readme_lists_every_command():
    for name in cli.COMMANDS:
        assert re.search(rf"^backbench {name}\b", README, re.MULTILINE), f"README.md has no example of {name}"


def test_the_plugin_of_the_readme_works(monkeypatch):
    from sklearn.cluster import BisectingKMeans

    source, (text,) = blocks(README, "python")[-1], blocks(README, "yaml")
    plugin = types.ModuleType("bisecting_kmeans")
    monkeypatch.setitem(sys.modules, plugin.__name__, plugin)
    exec(compile(source, "README.md", "exec"), plugin.__dict__)
    options = yaml.safe_load(text)
    assert options.pop("name") == plugin.__name__
    params = schema.parse(plugin.Params, options, "README")
    x = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    task = clusterers.Task(params, k=3, seed=0)
    assert plugin.problems(params, *x.shape, 3) == [] and plugin.problems(params, *x.shape, 61)
    assert plugin.memory_mb(params, *x.shape, 1) > 0
    labels, info = plugin.fit(plugin.prepare(x, [task], None), x, task)
    assert np.array_equal(labels, BisectingKMeans(3, init="k-means++", random_state=0).fit_predict(x))
    assert info["inertia"] > 0


def test_the_contributing_page_lists_what_snakemake_lint_leaves(tmp_path):
    command = [sys.executable, "-m", "snakemake", "--lint", "--snakefile", ROOT / "Snakefile"]
    environment = {**os.environ, "BACKBENCH_RESULTS": str(tmp_path), lock.HELD: "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    titles = set(re.findall(r"^ +\* (.+?)[.:]*$", done.stdout + done.stderr, re.MULTILINE))
    assert titles, done.stderr
    page = " ".join((ROOT / "CONTRIBUTING.md").read_text().split())
    for title in titles:
        assert title in page, f"CONTRIBUTING.md does not say why {title!r} is left"
