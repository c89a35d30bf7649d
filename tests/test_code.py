"""The code digest: comments and docstrings do not count, everything that can change a result does."""

import ast

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
    modules = ["backbench.stages.clustering", "backbench.clusterers.kmeans"]
    assert code.digest(modules) == code.digest(reversed(modules))
