"""What is no clustering, and why."""

import pytest

from backbench.evaluate import eligibility
from backbench.evaluate.eligibility import Fault, Limits, counted, fault, find

FINE = {"clusters": 4.0, "noise_fraction": 0.0, "largest_share": 0.4}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, None),
        ({"clusters": 2.0, "largest_share": 0.95}, None),
        ({"noise_fraction": 0.3}, None),
        ({"clusters": 1.0, "largest_share": 1.0}, "one cluster only"),
        ({"clusters": 0.0, "noise_fraction": 1.0, "largest_share": 0.0}, "all images are noise"),
        ({"clusters": 1.0, "noise_fraction": 0.6, "largest_share": 0.4}, "one cluster only"),
        ({"noise_fraction": 0.583}, "58.3 % noise, more than 30 %"),
        ({"noise_fraction": 0.30004}, "30.004 % noise, more than 30 %"),
        ({"largest_share": 0.97}, "97 % of the images in one cluster, more than 95 %"),
        ({"noise_fraction": 0.4, "largest_share": 0.96}, "40 % noise, more than 30 %"),
    ],
)
def test_reasons(changed, reason):
    assert fault({**FINE, **changed}) == reason


def test_limits_are_given_or_there_are_none():
    noisy, large = {**FINE, "noise_fraction": 0.25}, {**FINE, "largest_share": 0.99}
    assert fault(noisy) is None and fault(noisy, Limits(noise_at_most=0.2)) == "25 % noise, more than 20 %"
    assert fault(large, Limits(largest_at_most=None)) is None
    assert fault({**FINE, "noise_fraction": 0.9}, Limits(noise_at_most=None)) is None
    assert fault({**FINE, "clusters": 1.0}, Limits(None, None)) == "one cluster only"


def test_what_was_not_measured_is_not_held_against_a_result():
    assert fault({}) is None
    assert fault({"clusters": 3.0, "noise_fraction": 0.1}) is None


def test_reasons_are_counted_by_kind_with_the_range_of_their_shares():
    faults = [find({**FINE, "noise_fraction": share}) for share in (0.581, 0.53, 0.55)]
    assert counted(faults) == "3 (53 to 58.1 % noise, more than 30 %)"
    alone = find({**FINE, "clusters": 1.0})
    assert counted([alone, *faults[:1]]) == "1 (one cluster only), 1 (58.1 % noise, more than 30 %)"
    assert counted([alone, *faults]) == "3 (53 to 58.1 % noise, more than 30 %), 1 (one cluster only)"
    assert counted([]) == ""


def test_equal_shares_are_said_once():
    assert counted([find({**FINE, "largest_share": 0.96})] * 2) == (
        "2 (96 % of the images in one cluster, more than 95 %)"
    )


def test_a_fault_is_its_words():
    assert str(Fault("{} of {{odd}} words", 0.5)) == "50 % of {odd} words"
    assert str(Fault("one cluster only")) == "one cluster only"
    assert Limits(0.3, 0.95) == eligibility.USUAL
