"""The benchmarks of the sweep engine: their smallest configurations run, and the rates name every family."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import backbench
from backbench import paths
from backbench.engine.cost import rates

HERE = paths.CHECKOUT / "benchmarks"
sys.path.append(str(HERE))

import _figures  # noqa: E402
from _figures import Figure  # noqa: E402


def run(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, cwd=HERE)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.thorough
def test_the_sweep_benchmark_compares_both_sides(tmp_path):
    asked = ["--shape", "digits", "--rows", "200", "--only", "ward", "k-NN", "--work", str(tmp_path)]
    said = run("sweep.py", *asked)
    assert "## 200 x 64" in said
    assert "| ward | 14 |" in said
    assert "- ward: labels equal in 14 of 14 members; their metrics: within" in said
    assert "- k-NN: predictions equal in 8 of 8 members; their metrics: within" in said
    assert "| **total** | 22 |" in said


@pytest.mark.thorough
def test_peers_work_in_turns_and_agree(tmp_path):
    said = run("peers.py", "--small", "--rows", "400", "--families", "k-means", "k-NN", "--work", str(tmp_path))
    assert "## 400 x 64" in said
    (means,) = (line for line in said.splitlines() if line.startswith("| k-means | 14 |"))
    assert means.endswith("| 14 of 14 |")
    assert "- No family slower than the best peer on fits alone: **" in said
    assert "- 10x or more in total with scores, against the best peer of each: **" in said


@pytest.mark.thorough
def test_without_a_network_peers_say_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    done = subprocess.run(
        [sys.executable, "peers.py", "--environment", str(tmp_path / "peers")],
        capture_output=True,
        text=True,
        check=False,
        cwd=HERE,
    )
    assert done.returncode == 1
    assert "the peers could not be installed into" in done.stderr
    assert "Without a network, give --environment a folder that was made where there is one" in done.stderr


def test_the_page_of_peers_gives_a_verdict_on_each_goal():
    program = (
        "import json, sys, _peer_page\n"
        "def row(family, members, fits, whole):\n"
        "    all = (9.0, 90.0, 1), (4.0, 50.0, members), (fits, whole, 5)\n"
        "    all = [dict(zip(('fits', 'whole', 'rounds'), each)) for each in all]\n"
        "    seconds = dict(zip(('scikit-learn', 'scikit-learn-intelex', 'backbench'), all))\n"
        "    about = {'shape': 'digits', 'rows': [9, 2], 'machine': {'cpu': 'C', 'cores': 2, 'load': 0.1}}\n"
        "    about |= {'versions': dict.fromkeys(_peer_page.NAMED, '1')}\n"
        "    about |= {'failures': {}, 'same': {'backbench': '3 of 3'}}\n"
        "    return {**about, 'family': family, 'members': members, 'seconds': seconds}\n"
        "rows = {'a': row('SVM', 3, 2.0, 4.0), 'b': row('SVM, single', 1, 8.0, 60.0)}\n"
        "rows['a']['command'] = 'python benchmarks/peers.py --families SVM'\n"
        "print(*_peer_page.lines(rows, ['SVM', 'SVM, single', 'LDA, svd']), sep='\\n')\n"
    )
    said = run("-c", program)
    assert "| SVM | 3 | 3 | 9.00 / 90.0 | 4.00 / 50.0 |  | 2.00 / 4.00 | **2.0** | **12.5** | 3 of 3 |" in said
    assert "| SVM, single | 1 | 1 † | 9.00" in said
    assert "| LDA, svd | | | | | | | | | not measured |" in said
    assert "| **total of the grids** | 3 |" in said
    assert "fits alone: **no**, of 2 rows, 1 of them measured in one turn.\n" in said
    assert "  - 9 x 2, SVM, single: scikit-learn-intelex is 2.00 times as fast †." in said
    assert "faster on fits alone | all | 1 of 2 |" in said
    assert "```bash\npython benchmarks/peers.py --families SVM\n```\n\nRows of earlier runs and states" in said
    assert "against the best peer of each: **yes, 12.5x**" in said


@pytest.mark.thorough
def test_the_scaling_benchmark_fits_exponents_and_draws(tmp_path):
    # Digits in place of the components of Fashion-MNIST, which would have to be fetched.
    program = (
        "import sys, json, _features, _growth, scaling; from pathlib import Path; folder = Path(sys.argv[1])\n"
        "data = _features.shape('digits', folder); data.save(folder / 'pca50')\n"
        "sys.argv[1:] = ['--only', 'agglomerative', 'knn', '--sizes', '300', '1700', '--no-wide', '--rates']\n"
        "args = scaling._arguments(); args.work = folder\n"
        "points = [p for kind, family in scaling._asked(args) for p in scaling._family(kind, family, args)]\n"
        "print(*scaling._report(points, args), sep='\\n')\n"
        "_growth.plot(points, folder / 'plot.svg')\n"
        "(folder / 'rates.json').write_text(json.dumps(_growth.rates(points, folder / 'none'), allow_nan=False))\n"
    )
    said = run("-c", program, str(tmp_path))
    assert "| agglomerative | 14 |" in said
    assert "| knn | 8 |" in said
    assert (tmp_path / "plot.svg").read_text().count("agglomerative") >= 1
    found = json.loads((tmp_path / "rates.json").read_text())
    assert found["reference"] == {"n": 10_000, "d": 50, "k": 10}
    assert set(found["clustering"]["agglomerative"]) == {"seconds", "n", "d", "shared"}
    assert found["classification"]["knn"]["seconds"] > 0


@pytest.mark.thorough
def test_the_first_table_is_timed_beside_another_checkout():
    tiny = ["dataset.sample=100", "backbone=pixels", "classifier=knn", "k=5", "plots=none"]
    page = run("first_table.py", "--rounds", "1", "--against", str(paths.CHECKOUT), "--", *tiny)
    assert re.search(
        r"^\| the first table \| 45 s \| 0.35 \| [\d.]+ \([\d. to]+\) \| [\d.]+ \([\d. to]+\) \| \*\*[\d.]+", page, re.M
    )
    assert "| `make sweep` to the end, pictures and report | 100 s where the version before takes 130 s: 0.77" in page


def test_figures_for_the_readme_are_those_of_the_pages(tmp_path):
    page = tmp_path / "page.md"
    figures = [Figure("speed", "2 s", "1.5 s"), Figure("size", "", "3 MB")]
    page.write_text("\n".join(["# A page", "| what | else |", *_figures.lines(figures), "", "| else |"]))
    assert list(_figures.read(page)) == ["| speed | 2 s | 1.5 s |", "| size |  | 3 MB |"]
    page.write_text("# A page without figures\n\n| what | goal | measured |\n")
    assert not list(_figures.read(page))


def test_rates_are_printed_as_plugins_state_them():
    shared = {"seconds": 4.2, "n": 2.0, "d": 0.1}
    rate = {"seconds": 0.1, "n": 1.0, "d": 0.5, "shared": shared}
    said = run("-c", f"import _growth; print(_growth.stated({rate}))")
    assert said.strip() == "Cost(0.1, n=1.0, d=0.5, shared=Cost(4.2, n=2.0, d=0.1))"


@pytest.mark.parametrize("name", ["sweep.py", "scaling.py", "peers.py", "forests.py", "first_table.py", "drawing.py"])
def test_help_teaches_without_working(name):
    assert f"python benchmarks/{name} --write" in run(name, "--help")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--against", ".."), "--against: counts only with --million"),
        (("--rows", "10", "--only", "kmeans"), "--rows: counts only with --million"),
        (("--million", "--no-wide", "--sizes", "100"), "--sizes, --no-wide: counts only without --million"),
    ],
)
def test_options_of_scaling_that_would_be_ignored_are_refused(words, reason):
    done = subprocess.run([sys.executable, "scaling.py", *words], capture_output=True, text=True, check=False, cwd=HERE)
    assert done.returncode == 2 and reason in done.stderr


def test_rates_are_of_use():
    found = json.loads(rates.FILE.read_text())
    assert set(found) == {"retrieval", "neighbours", "metrics"}
    entries = [entry for part in found.values() for entry in part.values()]
    for entry in (*entries, *(entry["shared"] for entry in entries if "shared" in entry)):
        assert entry["seconds"] > 0
        assert 0 <= entry["n"] <= 4
        assert 0 <= entry["d"] <= 2


def test_rates_come_with_the_package():
    assert rates.FILE.parent == Path(backbench.__file__).parent / "engine" / "cost"
