"""How many clusters there are, by every criterion that the results allow."""

import pytest
from test_evaluate import candidate, representation

from backbench.evaluate import best_k, how_many


def estimates(*members):
    answers = how_many.estimates(best_k.families(representation(*members)))
    return {each.criterion: each for each in answers}


def numbers(estimate):
    return [(answer.k, answer.families) for answer in estimate.answers]


def finch(counts, metric="cosine", **options):
    made = candidate("finch", family=f"finch {metric}", clusters=counts[0] if counts else 1, **options)
    return type(made)(**{**vars(made), "counts": tuple(counts), "options": {"metric": metric}})


def test_the_number_of_most_families_comes_first():
    values = {2: 0.2, 5: 0.6, 9: 0.1}
    members = [candidate(name, k=k, silhouette=value) for name in ("birch", "kmeans") for k, value in values.items()]
    members += [candidate("ward", k=k, silhouette=0.1 * k) for k in values]
    found = estimates(*members)["silhouette"]
    assert numbers(found) == [(5, ("birch", "kmeans")), (9, ("ward",))]
    assert found.note == "9: the largest k that was tried"


def test_levels_are_those_of_each_hierarchy():
    found = estimates(finch([40, 9, 3], k=3), finch([40, 9, 3]), finch([31, 9], "euclidean"))["FINCH levels"]
    assert numbers(found) == [
        (3, ("finch cosine",)),
        (9, ("finch cosine", "finch euclidean")),
        (31, ("finch euclidean",)),
        (40, ("finch cosine",)),
    ]
    assert estimates(finch([]))["FINCH levels"].note == "all rows are one cluster at once"


def test_a_result_that_is_no_clustering_is_no_answer():
    found = estimates(candidate("hdbscan", clusters=4, noise=0.1), candidate("plscan", clusters=30, noise=0.6))
    assert numbers(found["persistence"]) == [(4, ("hdbscan",))]
    assert found["persistence"].note.startswith("plscan: 60 % noise")


@pytest.mark.parametrize("criterion", [*best_k.CRITERIA, *how_many.BY_THEMSELVES])
def test_a_criterion_that_does_not_apply_says_why(criterion):
    found = estimates(candidate("dbscan"))[criterion]
    assert not found.answers and found.note.startswith("no ")
