"""Files of weights: read without running code, all complaints at once, official ones found, fetched and verified."""

import functools
import http.server
import os
import threading
from pathlib import Path

import pytest
import torch

from backbench.backbones import _hub, _weights
from backbench.schema import ConfigError


def network():
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 2))


@pytest.fixture
def saved(tmp_path):
    def save(state, name="w.pth"):
        torch.save(state, tmp_path / name)
        return tmp_path / name

    return save


def load(path, needed=None):
    found = network()
    _weights.load(found, path, needed, "small network")
    return found.state_dict()


def test_half_precision_becomes_that_of_the_network(saved):
    state = network().state_dict()
    half = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    found = load(saved(half))
    assert all(found[key].dtype == state[key].dtype for key in state)
    torch.testing.assert_close(found["0.weight"], state["0.weight"].half().float(), rtol=0, atol=0)


@pytest.mark.parametrize("wrap", [dict, lambda s: {"state_dict": s, "epoch": 3}, lambda s: {"model": s}])
def test_the_usual_nests_are_opened(saved, wrap):
    state = network().state_dict()
    for prefix in ("", "module."):
        found = load(saved(wrap({prefix + key: value for key, value in state.items()})))
        assert all(torch.equal(found[key], state[key]) for key in state)


def test_safetensors(tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    state, path = network().state_dict(), tmp_path / "w.safetensors"
    safetensors.save_file(state, path)
    assert all(torch.equal(value, state[key]) for key, value in load(path).items())
    path.write_bytes(b"no weights")
    with pytest.raises(ConfigError, match=r"w\.safetensors cannot be read as PyTorch weights"):
        load(path)


def test_only_what_is_needed_may_not_be_missing(saved):
    state = network().state_dict()
    counted = saved({key: value for key, value in state.items() if "num_batches" not in key}, "counted.pth")
    assert torch.equal(load(counted)["1.weight"], state["1.weight"]), "a count of training is never needed"
    part = saved({key: value for key, value in state.items() if key[0] != "2"}, "part.pth")
    load(part, needed={"0.weight", "0.bias"})
    with pytest.raises(
        ConfigError, match=r"does not hold the weights of small network: missing keys \(2\): 2\.weight, 2\.bias\.$"
    ):
        load(part)


def test_all_complaints_are_one_error(saved):
    state = network().state_dict()
    state["0.weight"] = torch.zeros(4, 1, 3, 3)
    state["surplus"] = state.pop("2.bias")
    with pytest.raises(ConfigError) as error:
        load(saved(state))
    for part in ("missing keys (1): 2.bias", "unexpected keys (1): surplus", "0.weight (4, 1, 3, 3) instead of (4, 3"):
        assert part in str(error.value)


def test_code_in_a_file_is_not_run(saved, tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    for content in ({"a": Trap()}, {"state_dict": Trap()}):
        with pytest.raises(ConfigError, match="cannot be read"):
            load(saved(content))
    assert not (tmp_path / "ran").exists()


def test_what_is_neither_word_nor_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"received 'IMAGENET1K_V9'; allowed: .*Did you mean 'IMAGENET1K_V1'"):
        _weights.local("backbone(x)", "IMAGENET1K_V9", ("IMAGENET1K_V1", "random"))
    with pytest.raises(ConfigError, match=r"no\.pth.*allowed: random, or the path of a state dict \(looked for /"):
        _weights.local("backbone(x)", str(tmp_path / "no.pth"), ("random",))


@pytest.mark.parametrize("home", [None, "/somewhere/torch", "~/torch"])
@pytest.mark.parametrize("cache", [None, "/somewhere/cache"])
def test_the_folder_is_that_of_torch_hub(monkeypatch, home, cache):
    for key, value in {"TORCH_HOME": home, "XDG_CACHE_HOME": cache}.items():
        monkeypatch.setenv(key, value) if value else monkeypatch.delenv(key, raising=False)
    assert _hub.folder() == Path(torch.hub.get_dir()).expanduser() / "checkpoints"


@pytest.fixture
def server(tmp_path, monkeypatch, saved):
    """A server of one official file, an empty cache, and the file's address."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    (tmp_path / "web").mkdir()
    path = saved(network().state_dict())
    name = f"small-{_weights.digest(path)[:8]}.pth"
    path.rename(tmp_path / "web" / name)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *words):
            pass

    handler = functools.partial(Quiet, directory=str(tmp_path / "web"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/{name}"
        running.shutdown()


def test_official_weights_are_fetched_once_and_verified(server, tmp_path):
    _hub.check("small", server)
    path = _hub.fetch("small", server)
    assert path.parent == _hub.folder() and _weights.digest(path).startswith(_hub.prefix(path.name))
    (tmp_path / "web" / path.name).unlink()
    assert _hub.fetch("small", server) == path, "it is in the cache now"
    path.write_bytes(b"damaged")
    with pytest.raises(ConfigError, match="is not the official file of small"):
        _hub.fetch("small", server)


def test_a_wrong_download_leaves_nothing_behind(server, tmp_path):
    (tmp_path / "web" / server.rsplit("/", 1)[1]).write_bytes(b"other")
    with pytest.raises(ConfigError, match="invalid hash value"):
        _hub.fetch("small", server)
    assert not [path for path in _hub.folder().iterdir() if path.suffix == ".pth"]


def test_no_network_says_what_was_looked_for_and_how_to_supply_it(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    url = "http://127.0.0.1:9/models/small-01234567.pth"
    for call in (_hub.check, _hub.fetch):
        with pytest.raises(ConfigError) as error:
            call("small", url)
        for part in ("small-01234567.pth", str(tmp_path / "hub" / "checkpoints"), url, "backbone.weights=PATH"):
            assert part in str(error.value)
