"""Settings in the environment: what is asked for holds, what is left at its default is the user's, nothing stays."""

import os

import pytest

from backbench import settings
from backbench.schema import ConfigError

VARIABLES = ("BACKBENCH_DEVICE", "BACKBENCH_BATCH_SIZE", "BACKBENCH_ON_DEVICE_LOSS", "BACKBENCH_KEEP_IMAGES")


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    for name in VARIABLES:
        monkeypatch.setenv(name, "users")
    monkeypatch.setattr(settings, "_CHANGED", {})


def variables():
    return {name.removeprefix("BACKBENCH_").lower(): os.environ.get(name) for name in VARIABLES}


USERS = dict.fromkeys(("device", "batch_size", "on_device_loss", "keep_images"), "users")
DEFAULTS = {
    "execution": {"device": "auto", "batch_size": None, "on_device_loss": "fail"},
    "store": {"keep_images": False},
}


def test_a_default_leaves_the_variable_to_the_user():
    settings.apply(DEFAULTS)
    assert variables() == USERS


@pytest.mark.parametrize(
    ("key", "variable"),
    [
        ("execution.device", "device"),
        ("execution.batch_size", "batch_size"),
        ("execution.on_device_loss", "on_device_loss"),
        ("store.keep_images", "keep_images"),
    ],
)
def test_a_default_that_is_asked_for_by_name_overrides_the_user(key, variable):
    settings.apply(DEFAULTS, frozenset([key]))
    assert variables() == {**USERS, variable: None}


def test_a_second_call_takes_back_what_the_first_set():
    settings.apply({"execution": {"device": "cpu", "batch_size": 4}, "store": {"keep_images": True}})
    assert variables() == {**USERS, "device": "cpu", "batch_size": "4", "keep_images": "1"}
    settings.apply({"execution": {"device": "cuda"}})
    assert variables() == {**USERS, "device": "cuda"}
    settings.apply(DEFAULTS)
    assert variables() == USERS


def test_what_the_user_changes_in_between_stays(monkeypatch):
    settings.apply({"execution": {"device": "cpu"}})
    monkeypatch.setenv("BACKBENCH_DEVICE", "cuda:1")
    settings.apply(DEFAULTS)
    assert os.environ["BACKBENCH_DEVICE"] == "cuda:1"


def test_a_value_that_is_refused_changes_nothing():
    settings.apply({"execution": {"device": "cpu"}})
    with pytest.raises(ConfigError, match=r"execution\.batch_size: received 0"):
        settings.apply({"execution": {"device": "cuda", "batch_size": 0}})
    assert os.environ["BACKBENCH_DEVICE"] == "cpu"


def test_the_artifacts_of_a_team_are_a_place_that_all_mean_alike(monkeypatch):
    monkeypatch.delenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", raising=False)
    for given, address in {
        "/team/artifacts": "file:///team/artifacts",
        "s3://team/artifacts": "s3://team/artifacts",
    }.items():
        settings.apply({"tracking": {"artifacts": given}})
        assert os.environ["MLFLOW_DEFAULT_ARTIFACT_ROOT"] == address
    with pytest.raises(ConfigError, match=r"tracking\.artifacts: received 'artifacts'"):
        settings.apply({"tracking": {"artifacts": "artifacts"}})
    settings.apply({})
    assert "MLFLOW_DEFAULT_ARTIFACT_ROOT" not in os.environ


@pytest.mark.parametrize("name", ["execution", "store", "tracking"])
@pytest.mark.parametrize("value", ["off", None, False])
def test_a_group_is_not_a_value(name, value):
    with pytest.raises(
        ConfigError, match=rf"^{name}: received {value!r}; allowed: a setting of the group, such as {name}\."
    ):
        settings.apply({name: value})
