"""The code digest: comments and docstrings do not count, everything that can change a result does."""

import ast
import sys

import pytest

from backbench import code, plugins

SOURCE = '"""Doc."""\n\nimport math\n\n\ndef area(r):\n    """Area."""\n    # why\n    return math.pi * r**2\n'


def dump(text):
    return "".join(code._dump(ast.parse(text)))


@pytest.mark.parametrize(
    "edited",
    [
        SOURCE.replace("# why", "# another reason"),
        SOURCE.replace("Area.", "The area of a disc."),
        SOURCE.replace('"""Doc."""', '"""Another."""'),
        SOURCE.replace("math.pi * r**2", "(math.pi *\n            r ** 2)"),
    ],
)
def test_what_cannot_change_a_result_does_not_count(edited):
    assert edited != SOURCE and dump(edited) == dump(SOURCE)


@pytest.mark.parametrize(
    "edited",
    [
        SOURCE.replace("r**2", "r**3"),
        SOURCE.replace("math.pi", "3.14"),
        SOURCE.replace("area", "disc"),
        SOURCE + "X = 1\n",
    ],
)
def test_what_can_change_a_result_counts(edited):
    assert dump(edited) != dump(SOURCE)


def test_what_a_plugin_says_of_its_cost_does_not_count():
    text = "import math\n\n\ndef seconds(n):\n    return 2 * n\n\n\ndef fit(n):\n    return math.pi * n\n"
    edits = (text, text.replace("2 * n", "3 * n"), text.replace("math.pi", "3.14"))
    digests = [code._parsed(edited.encode(), "").digest for edited in edits]
    assert digests[0] == digests[1] != digests[2]


MODULES = ["backbench.stages.clustering", "backbench.clusterers.kmeans"]


def forget():
    """As in a new process."""
    for cached in (code._kept, code._syntax, code._imports, code._closure):
        cached.cache_clear()


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """The file of a new process that may write it, in a folder of the test."""
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    forget()
    yield code._kept().path
    forget()


def test_what_is_kept_of_the_sources_is_what_parsing_gives(kept, monkeypatch):
    parsed = code.digest(MODULES)
    assert kept.is_file() and [*kept.parent.iterdir()] == [kept]
    forget()
    monkeypatch.setattr(code, "_parsed", None)
    assert code.digest(MODULES) == parsed


def test_an_edited_source_is_parsed_again(kept, tmp_path, monkeypatch):
    parsed, source = code.digest(MODULES), code._source
    edited = tmp_path / "kmeans.py"
    edited.write_text(source(MODULES[1]).read_text() + "\nMORE = 1\n")
    monkeypatch.setattr(code, "_source", lambda name: edited if name == MODULES[1] else source(name))
    forget()
    assert code.digest(MODULES) != parsed
    monkeypatch.setattr(code, "_source", source)
    forget()
    assert code.digest(MODULES) == parsed


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"version": 1}', b"\xff", None])
def test_a_damaged_file_is_made_anew(kept, damage):
    parsed, whole = code.digest(MODULES), kept.read_text()
    # None: of another version of what parses.
    kept.write_bytes(whole.replace(code._kept().version, "0" * 64).encode() if damage is None else damage)
    forget()
    assert code.digest(MODULES) == parsed
    assert kept.read_text() == whole


def test_nothing_is_kept_where_python_is_told_to_write_none_or_cannot(kept, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    parsed = code.digest(MODULES)
    assert not kept.exists()
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (tmp_path / "file").touch()
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path / "file"))
    forget()
    assert code.digest(MODULES) == parsed


def test_a_plugin_depends_on_what_it_imports_and_not_on_its_neighbours():
    closure = code._closure(frozenset(["backbench.stages.clustering", "backbench.clusterers.kmeans"]))
    assert "backbench.metrics.near" in closure
    assert "backbench.clusterers.dbscan" not in closure
    assert "backbench.store" not in closure and "backbench.paths" not in closure


@pytest.mark.parametrize("head", ["clustering", "classification", "retrieval"])
def test_no_fit_depends_on_the_code_of_metrics_and_no_score_on_that_of_fits(head):
    kind = {"clustering": "clusterer", "classification": "classifier"}.get(head)
    families = [plugins.module_name(kind, name) for name in plugins.names(kind)] if kind else []
    fits = code._closure(frozenset([f"backbench.stages.{head}", *families]))
    scores = code._closure(frozenset([f"backbench.stages.scores.{head}"]))
    metrics = {f"backbench.metrics.{name}" for name in ("external", "internal", "supervised", "retrieval", "catalogue")}
    assert not metrics & fits and not any(name.startswith("backbench.stages.scores") for name in fits)
    assert metrics & scores and f"backbench.stages.{head}" not in scores
    assert not any(name.startswith(("backbench.clusterers", "backbench.classifiers")) for name in scores)


def test_the_digest_does_not_depend_on_the_order_of_modules():
    assert code.digest(MODULES) == code.digest(reversed(MODULES))
