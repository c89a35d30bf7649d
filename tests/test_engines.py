"""Engines: which one ``auto`` means, that all give the features of eager PyTorch, and what bits depend on besides."""

import contextlib
import dataclasses
import importlib.metadata
import importlib.util
import json
import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from backbench import plugins
from backbench.backbones import _engine
from backbench.backbones._extractor import DeviceLost, OutOfMemory
from backbench.inference.model import Model
from backbench.schema import ConfigError
from backbench.stage import Context

IMAGE = {"size": 64, "mode": "RGB", "resize": "squash", "interpolation": "bilinear"}
LITE = {"name": "efficientnet_lite0", "image": IMAGE, "weights": "imagenet", "weights_seed": 0}
needs_openvino = pytest.mark.skipif(not importlib.util.find_spec("openvino"), reason="openvino is not installed")
needs_bfloat16 = pytest.mark.skipif(not _engine.native("bfloat16"), reason="the processor has no bfloat16")
needs_compiler = pytest.mark.skipif(not _engine._compiler(), reason="there is no C++ compiler")


def params(**changes):
    return plugins.params("backbone", {**LITE, **changes})


def opened(context=None, **changes):
    return plugins.load("backbone", LITE["name"]).open(params(**changes), context or Context())


def pictures(n, size=64):
    """Smooth random pictures: networks have something to see, and neighbours are not a matter of rounding."""
    coarse = np.random.default_rng(0).integers(0, 256, (n, 8, 8, 3), np.uint8)
    return coarse.repeat(size // 8, axis=1).repeat(size // 8, axis=2)


def beside(extract, images, size, threads):
    with ThreadPoolExecutor(threads) as pool:
        return np.concatenate(list(pool.map(extract, np.split(images, range(size, len(images), size)))))


# ---------------------------------------------------------------------------------------------------- which one


@pytest.fixture
def machine(monkeypatch):
    """Set what this machine seems to have."""

    def seems(cuda=False, openvino=True, compiler="g++", features="avx512f avx512_bf16 avx512_vnni", nncf=True):
        installed = {"openvino": openvino, "nncf": nncf}
        monkeypatch.setattr("backbench.provenance.cpu_features", lambda: features)
        monkeypatch.setattr(_engine, "_cuda_visible", lambda: cuda)
        monkeypatch.setattr(_engine, "_installed", installed.__getitem__)
        monkeypatch.setattr(_engine, "_compiler", lambda: compiler)

    return seems


@pytest.mark.parametrize(
    ("device", "cuda", "openvino", "precision", "expected"),
    [
        ("cpu", True, True, "float32", "openvino"),
        ("auto", False, True, "float32", "openvino"),
        ("auto", True, True, "float32", "torch"),
        ("cuda", False, True, "float32", "torch"),
        ("cuda:1", True, True, "float16", "torch"),
        ("cpu", False, False, "float32", "torch"),
        ("cpu", False, True, "bfloat16", "torch"),
        ("cpu", False, True, "int8", "openvino"),
        ("auto", False, True, "int8", "openvino"),
    ],
)
def test_what_auto_means(machine, device, cuda, openvino, precision, expected):
    machine(cuda, openvino)
    found = _engine.resolve(params(engine="auto", precision=precision), device)
    assert found == params(engine=expected, precision=precision)


@pytest.mark.parametrize(
    ("changes", "device", "have", "message"),
    [
        ({"engine": "openvino"}, "cpu", {"openvino": False}, r'not installed: pip install "backbench\[openvino\]"'),
        (
            {"engine": "openvino", "precision": "bfloat16"},
            "cpu",
            {"features": "avx2 avx512f avx512_vnni bf16"},
            "needs AVX512-BF16 or AMX, and Linux lists neither .*; allowed: float32, or backbone.engine=torch",
        ),
        (
            {"engine": "openvino", "precision": "int8"},
            "cpu",
            {"features": "avx2 avx512f avx512_bf16"},
            "precision=int8, which needs VNNI or AMX, and Linux lists neither .*; allowed: float32. For jobs",
        ),
        ({"precision": "int8", "engine": "torch"}, "cpu", {}, "OpenVINO alone computes in; give backbone.engine=openv"),
        ({"precision": "int8", "engine": "inductor"}, "cpu", {}, "OpenVINO alone computes in"),
        ({"precision": "int8", "engine": "auto"}, "cuda", {"cuda": True}, "runs on the CPU, but execution.device=cuda"),
        ({"precision": "int8", "engine": "auto"}, "cpu", {"nncf": False}, r'pip install "backbench\[int8\]"'),
        ({"engine": "openvino", "precision": "float16"}, "cpu", {}, "float16 on a CPU; allowed: float32, bfloat16"),
        ({"engine": "openvino", "precision": "float16"}, "auto", {"cuda": True}, "or on a GPU backbone.engine=torch"),
        ({"engine": "openvino"}, "cuda", {"cuda": True}, "runs on the CPU, but execution.device=cuda"),
        ({"engine": "torch", "precision": "float16"}, "auto", {}, "or execution.device=cuda"),
        ({"engine": "inductor"}, "cpu", {"compiler": None}, "needs a C\\+\\+ compiler"),
    ],
)
def test_what_cannot_be_is_said_at_planning(machine, changes, device, have, message):
    machine(**have)
    with pytest.raises(ConfigError, match=message):
        _engine.resolve(params(**changes), device)


@pytest.mark.parametrize("features", ["avx512f avx512_bf16", "amx_tile amx_int8 amx_bf16"])
def test_openvino_computes_in_bfloat16_where_the_processor_does(machine, features):
    machine(features=features)
    named = params(engine="openvino", precision="bfloat16")
    assert _engine.resolve(named, "cpu") == named and _engine.native("bfloat16")
    assert _engine.native("float32") and not _engine.native("float16")


def test_how_many_images_calibrate_matters_in_int8_alone(machine):
    machine()
    few = {"engine": "openvino", "calibration": 50}
    assert _engine.resolve(params(**few, precision="int8"), "cpu").calibration == 50
    assert _engine.resolve(params(**few), "cpu") == params(engine="openvino")


def test_a_hidden_device_is_not_visible(monkeypatch, tmp_path):
    monkeypatch.setattr(_engine, "NVIDIA", tmp_path / "gpus")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert not _engine._cuda_visible()
    (tmp_path / "gpus" / "0000:01:00.0").mkdir(parents=True)
    assert _engine._cuda_visible()
    for hidden in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
        assert not _engine._cuda_visible()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert _engine._cuda_visible()


def test_resolving_imports_no_engine():
    program = (
        "import sys\nfrom backbench import plugins\n"
        f"module = plugins.load('backbone', {LITE['name']!r})\n"
        f"module.resolve(plugins.params('backbone', {dict(LITE, engine='auto')!r}), 'auto')\n"
        "assert not {'torch', 'openvino', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


# ---------------------------------------------------------------------------------------------------- what runs it


@pytest.mark.parametrize(
    ("engine", "libraries"),
    [("numpy", {"numpy"}), ("torch", {"torch"}), pytest.param("openvino", {"openvino", "torch"}, marks=needs_openvino)],
)
def test_what_the_bits_depend_on_besides(engine, libraries):
    about = _engine.runtime(engine, "cpu")
    assert about == json.loads(json.dumps(about))
    assert about["libraries"] == {name: importlib.metadata.version(name) for name in libraries}
    assert about["engine"] == engine and about["device"] == "cpu" and about["processor"]


@needs_openvino
def test_openvino_runs_on_the_processor_whatever_the_device():
    assert _engine.runtime("openvino", "cuda") == _engine.runtime("openvino", "cpu")
    named = params(engine="openvino")
    assert _engine.batch(named, "cuda", 32) == _engine.batch(named, "cpu", 32)


@needs_compiler
def test_a_compiler_is_part_of_it():
    assert any(digit in _engine.runtime("inductor", "cpu")["compiler"] for digit in "0123456789")
    assert "compiler" not in _engine.runtime("torch", "cpu")


@pytest.mark.parametrize(
    ("text", "processor", "instructions"),
    [
        ("model name\t: A\nflags\t\t: fpu fma smep sse4_2 avx2\n\nmodel name\t: B\n", "A", ["avx2", "fma", "sse4_2"]),
        ("processor\t: 0\nFeatures\t: fp asimd sve crc32\n", None, ["asimd", "sve"]),
    ],
)
def test_a_processor_is_its_name_and_instructions(tmp_path, monkeypatch, text, processor, instructions):
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(_engine, "CPUINFO", tmp_path / "cpuinfo")
    about = _engine.runtime("torch", "cpu")
    assert about["instructions"] == instructions and about["processor"] == (processor or about["processor"])


def test_devices_are_named_once_each(devices, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA T", raising=False)
    about = _engine.runtime("torch", "cuda")
    assert about["device"] == "cuda" and about["devices"] == ["NVIDIA T"] and {"cuda", "cudnn"} <= set(about)
    assert about == json.loads(json.dumps(about))


def test_runtime_imports_no_engine():
    program = (
        "import sys\nfrom backbench.backbones import _engine\n"
        "for engine in ('numpy', 'torch', 'openvino', 'inductor'): _engine.runtime(engine, 'cpu')\n"
        "assert not {'torch', 'openvino', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


# ---------------------------------------------------------------------------------------------------- agreement


def assert_agrees(found, expected, cosine=0.9999):
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (found.astype(float), expected.astype(float)))
    assert (a * b).sum(axis=1).min() > cosine
    near = []
    for x in (a, b):
        likeness = x @ x.T
        np.fill_diagonal(likeness, -1)
        near.append(likeness.argmax(axis=1))
    np.testing.assert_array_equal(*near)


@needs_openvino
def test_openvino_agrees_whatever_the_threads_and_batches():
    images = pictures(50)
    expected = opened()(images)
    one = beside(opened(engine="openvino"), images, 16, 1)
    extract = opened(Context(threads=2), engine="openvino")
    assert extract.lanes == 2 and extract.device == "cpu" and extract.one_shape
    for _ in range(2):
        np.testing.assert_array_equal(beside(extract, images, 16, 2), one)
    assert_agrees(one, expected)
    for size in (1, 7, 50):
        np.testing.assert_allclose(beside(extract, images, size, 2), one, atol=1e-5 * np.abs(one).max(), rtol=0)


@pytest.fixture
def without_bfloat16(monkeypatch):
    """OpenVINO as on a processor that has no bfloat16."""
    from backbench.backbones import _openvino

    class Plain(_openvino.openvino.Core):
        def get_property(self, *asked):
            return ["FP32", "INT8"]

    monkeypatch.setattr(_openvino.openvino, "Core", Plain)


@needs_openvino
def test_openvino_refuses_bfloat16_where_it_would_compute_in_float32(without_bfloat16):
    """Planned on a machine that has it, computed on another."""
    import torch

    with pytest.raises(
        ConfigError, match=r"on this processor \(FP32, INT8\). Compute them on a machine with AVX512-BF16"
    ):
        _engine.open(torch.nn.Flatten(), lambda x: x, params(engine="openvino", precision="bfloat16"), Context())


@needs_openvino
@pytest.mark.parametrize(("precision", "engine"), [("bfloat16", "torch"), ("float32", "openvino")])
def test_a_finished_run_is_used_where_openvino_has_no_bfloat16(without_bfloat16, caplog, precision, engine):
    planned = params(engine="openvino", precision=precision)
    backbone = {**dataclasses.asdict(planned), **plugins.load("backbone", LITE["name"]).identity(planned)}
    about = {"run": "0" * 64, "lacks": {}, "backbone": {"kind": "fixed", "name": LITE["name"], **backbone}}
    features = Model(about, {}).embed(pictures(3))
    assert_agrees(features, opened(engine=engine, precision=precision)(pictures(3)))
    assert ("OpenVINO does not compute in bfloat16" in caplog.text) is (precision == "bfloat16")


@needs_openvino
def test_openvino_sends_no_statistics():
    """In a process of its own: in this one another library may have imported OpenVINO already."""
    program = (
        "import sys\nfrom backbench.backbones import _openvino\n"
        "assert sys.modules['openvino_telemetry'] is None and _openvino.openvino.Core"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@needs_openvino
def test_a_network_that_cannot_be_converted_names_another_engine():
    import torch

    class Odd(torch.nn.Module):
        def forward(self, x):
            return torch.linalg.svdvals(x.mean(1))

    class Moody(torch.nn.Module):
        calls = 0

        def forward(self, x):
            self.calls += 1
            return x.mean((2, 3)) * (1 if self.calls % 2 else -1)

    class Endless(torch.nn.Module):
        def forward(self, x):
            return x.mean((2, 3)) / 0.0

    class Undefined(torch.nn.Module):
        def forward(self, x):
            return torch.log(-1 - x.mean((2, 3)))

    before = logging.root.level, logging.root.filters[:], logging.root.handlers[:]
    for network in (Odd(), Moody(), Endless(), Undefined()):
        with pytest.raises(ConfigError, match=r"OpenVINO cannot run this network.*engine=torch"):
            _engine.open(network, lambda x: x, params(engine="openvino"), Context())
    assert (logging.root.level, logging.root.filters, logging.root.handlers) == before, "its warnings are still heard"


@pytest.mark.thorough
@needs_compiler
def test_inductor_agrees():
    """On two blocks that have every kind of layer of a whole network; each kernel takes seconds to compile."""
    import torch
    from torchvision.models.mobilenetv2 import InvertedResidual, mobilenet_v2

    torch.manual_seed(0)
    blocks = torch.nn.Sequential(
        mobilenet_v2().features[0],
        InvertedResidual(32, 32, stride=1, expand_ratio=1),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
    )
    images = pictures(24)
    extract = _engine.open(blocks, lambda x: x / 255, params(engine="inductor"), Context(threads=2))
    found = beside(extract, images, 8, 2)
    assert_agrees(found, _engine.open(blocks, lambda x: x / 255, params(engine="torch"), Context())(images))
    np.testing.assert_array_equal(extract(images[:8]), found[:8])


def test_each_network_and_shape_is_compiled_however_many_there_are(monkeypatch):
    """PyTorch keeps eight variants of a function, and runs the others uncompiled."""
    import torch

    graphs, compile = [], torch.compile

    def counted(graph, inputs):
        graphs.append(graph)
        return graph.forward

    monkeypatch.setattr(
        torch, "compile", lambda module, dynamic, options: compile(module, dynamic=dynamic, backend=counted)
    )
    for depth in range(1, 6):
        network = torch.nn.Sequential(*(torch.nn.Conv2d(3, 3, 1) for _ in range(depth)), torch.nn.Flatten())
        extract = _engine.open(network, lambda x: x / 255, params(engine="inductor"), Context())
        for size in (2, 4, 2):
            extract(pictures(size, 8))
    assert len(graphs) == 10


@pytest.mark.parametrize("engine", ["torch", pytest.param("openvino", marks=[needs_openvino, needs_bfloat16])])
def test_half_precision_is_near(engine):
    images = pictures(20)
    exact, rough = opened()(images), opened(engine=engine, precision="bfloat16")(images)
    assert rough.dtype == np.float32 and not np.array_equal(exact, rough)
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (exact, rough))
    assert (a * b).sum(axis=1).min() > 0.99


# ---------------------------------------------------------------------------------------------------- a device


class FakeCuda:
    """Stands for ``torch.cuda`` on a machine without one: streams are no streams, and everything is done at once."""

    class Stream:
        def __init__(self, device=None):
            self.waited = []

        def wait_stream(self, other):
            self.waited.append(other)

        def wait_event(self, event):
            self.waited.append(event)

        def record_event(self):
            return self

        def synchronize(self):
            pass

    def __init__(self, count=2):
        self.count, self.main = count, self.Stream()

    def device_count(self):
        return self.count

    def is_available(self):
        return False

    def current_stream(self, device=None):
        return self.main

    @staticmethod
    def stream(stream):
        return contextlib.nullcontext()

    @staticmethod
    def device(device):
        return contextlib.nullcontext()


@pytest.fixture
def devices(monkeypatch):
    """Two devices that are the CPU."""
    import torch

    from backbench.backbones import _torch

    fake = FakeCuda()
    for name in ("Stream", "device_count", "current_stream", "stream", "device"):
        monkeypatch.setattr(torch.cuda, name, getattr(fake, name))
    monkeypatch.setattr(_torch, "devices", lambda asked: [torch.device("cpu")] * 2)
    return fake


def test_lanes_of_devices_give_the_same_features(devices):
    images = pictures(60)
    extract = opened(Context(device="cuda"))
    assert extract.lanes == 6 and extract.device == "cuda" and extract.one_shape
    plain = opened()
    expected = np.concatenate([plain(part) for part in np.split(images, range(16, 60, 16))])
    for _ in range(2):
        np.testing.assert_allclose(beside(extract, images, 16, 6), expected, atol=1e-5 * np.abs(expected).max(), rtol=0)
    lanes = [extract._free.get() for _ in range(6)]
    assert {lane.copying for lane in lanes} >= set(devices.main.waited) != set(), "computing waits for the copy"
    assert devices.main in lanes[0].copying.waited, "the copy back waits for the computing"
    for lane in lanes:
        extract._free.put(lane)
    np.testing.assert_array_equal(extract(images[:3]), extract(images[:3]), "staging of another size")


def test_each_device_has_its_own_network(devices):
    extract = opened(Context(device="cuda"))
    lanes = [extract._free.get() for _ in range(6)]
    networks = [lane.run.module for lane in lanes]
    assert networks[0] is networks[2] and networks[1] is networks[3] and networks[0] is not networks[1]


def test_errors_of_a_device_are_told_apart():
    import torch

    from backbench.backbones._torch import translated

    cases = [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), OutOfMemory),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), OutOfMemory),
        (RuntimeError("cuBLAS: CUBLAS_STATUS_ALLOC_FAILED when calling"), OutOfMemory),
        (RuntimeError("CUDA error: an illegal memory access was encountered\nmore"), DeviceLost),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), DeviceLost),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), RuntimeError),
    ]
    for error, kind in cases:
        with pytest.raises(RuntimeError) as caught, translated():
            raise error
        assert type(caught.value) is kind
        assert "\n" not in str(caught.value)


def test_resolved_params_have_no_auto():
    found = _engine.resolve(params(engine="auto"), "cpu")
    assert dataclasses.asdict(found)["engine"] != "auto"
