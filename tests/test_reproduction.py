"""What differs between two environments, and how much a result may differ with it."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from backbench import provenance
from backbench.reproduce import comparison, environment
from backbench.reproduce.comparison import Comparison, Line
from backbench.reproduce.environment import Environment

WORKFLOW = Path(__file__).resolve().parents[1] / "workflow"
THEN = Environment(
    versions={"numpy": "2.4.6", "scipy": "1.17.1"},
    processors=frozenset({"Intel(R) Xeon(R) Processor"}),
    instructions=frozenset({"avx2 fma"}),
    blas=frozenset({"numpy openblas 0.3.31 Haswell pthreads", "scipy openblas 0.3.30 Haswell pthreads"}),
    threads={"clustering": 2},
    devices={"features": "cpu"},
)


def kernel(libraries: frozenset[str], name: str) -> frozenset[str]:
    return frozenset(text.replace("Haswell", name) for text in libraries)


class TestDifferences:
    def test_none_where_all_is_the_same(self):
        assert environment.differences(THEN, THEN) == []

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"blas": kernel(THEN.blas, "SkylakeX")}, "another BLAS kernel: SkylakeX, recorded Haswell"),
            (
                {"blas": frozenset({"numpy openblas 0.3.32 Haswell pthreads"})},
                "another BLAS library: numpy openblas 0.3.32 Haswell pthreads, "
                "recorded numpy openblas 0.3.31 Haswell pthreads",
            ),
            (
                {"blas": frozenset({"system mkl 2025.1 intel"})},
                "another BLAS kernel: mkl 2025.1 intel, recorded Haswell",
            ),
            (
                {"processors": frozenset({"AMD EPYC"})},
                "another processor: AMD EPYC, recorded Intel(R) Xeon(R) Processor",
            ),
            ({"instructions": frozenset({"avx2 fma avx512f"})}, "other instruction sets: with avx512f"),
            ({"instructions": frozenset({"fma"})}, "other instruction sets: without avx2"),
            ({"versions": {"numpy": "2.5.0", "scipy": "1.17.1"}}, "numpy 2.5.0, recorded 2.4.6"),
            ({"versions": {"numpy": "2.4.6"}}, "scipy absent, recorded 1.17.1"),
            ({"threads": {"clustering": 1}}, "threads of clustering 1, recorded 2"),
            ({"devices": {"features": "cuda"}}, "device of features cuda, recorded cpu"),
        ],
    )
    def test_each_is_named(self, change, words):
        assert environment.differences(THEN, dataclasses.replace(THEN, **change)) == [words]

    def test_libraries_that_only_one_of_both_had_loaded_are_none(self):
        more = THEN.blas | {"faiss_cpu openblas 0.3.29 Haswell pthreads"}
        assert environment.differences(THEN, dataclasses.replace(THEN, blas=more)) == []

    def test_a_kernel_that_an_older_record_does_not_name_is_one(self):
        older = dataclasses.replace(THEN, blas=frozenset(), instructions=frozenset())
        assert environment.differences(older, THEN) == ["a BLAS kernel that was not recorded: now Haswell"]

    def test_tags_hold_the_same(self):
        tags = {
            **{f"version.{name}": version for name, version in THEN.versions.items()},
            "cpu": next(iter(THEN.processors)),
            "cpu_features": "avx2 fma",
            "blas": "; ".join(sorted(THEN.blas)),
            "threads.clustering": "2",
            "device": "cpu",
            "device.features": "cpu",
        }
        assert environment.of_tags(tags) == THEN


class TestVerdict:
    SAME = Line("nmi", "0.5", "0.5", "0", True, True)
    NEAR = Line("silhouette", "0.1", "0.1", "4e-16", False, True)
    FAR = Line("accuracy", "0.7", "0.8", "0.1", False, False)
    KERNEL = "another BLAS kernel: Nehalem, recorded Haswell"

    def test_equal_bits_are_bit_for_bit_wherever_they_come_from(self):
        assert Comparison([self.SAME], 1e-9, [self.KERNEL]).verdict == "agrees: bit for bit"

    def test_rounding_under_another_kernel_is_the_same_result(self):
        made = Comparison([self.SAME, self.NEAR], 1e-9, [self.KERNEL])
        assert made.agrees and made.verdict == f"agrees: same result within 1e-09 ({self.KERNEL})"

    def test_more_than_that_differs_and_names_the_cause(self):
        made = Comparison([self.FAR], 1e-9, [self.KERNEL, "numpy 2, recorded 1", "scipy 2, recorded 1"])
        assert not made.agrees
        cause = f"({self.KERNEL}; numpy 2, recorded 1; 1 more below)"
        assert made.verdict == f"DIFFERS: by more than 1e-09 {cause}"

    def test_rounding_in_the_same_environment_differs(self):
        line = comparison._metric("silhouette", 0.1, {"silhouette": 0.1 + 4e-16}, 0.0)
        assert not line.agrees and Comparison([line], 1e-9).verdict.startswith("DIFFERS: not bit for bit")


class TestAgreement:
    def test_names_of_clusters_do_not_count(self):
        then, now = np.array([0, 0, 1, 1, 2, -1, -2]), np.array([2, 2, 0, 0, 0, -1, -2])
        assert comparison.agreement(then, now, True) == pytest.approx(5 / 6)
        assert comparison.agreement(then, now, False) == pytest.approx(1 / 6)

    def test_noise_agrees_with_noise_alone(self):
        assert comparison.agreement(np.array([-1, -1, 0]), np.array([-1, 0, 0]), True) == pytest.approx(2 / 3)

    def test_all_noise(self):
        assert comparison.agreement(np.array([-1, -1]), np.array([-1, -1]), True) == 1.0

    @pytest.mark.parametrize(("tolerance", "agrees"), [(0.0, False), (1e-3, False), (0.02, True)])
    def test_the_tolerance_is_for_the_share_that_changed(self, tolerance, agrees):
        line = comparison._labels("classification", "a" * 64, "b" * 64, 0.99, tolerance)
        assert (line.difference, line.agrees) == ("99 % the same", agrees)


class TestRecord:
    @pytest.mark.skipif(sys.platform != "linux", reason="the instruction sets come from Linux")
    def test_instruction_sets_are_those_of_the_system(self):
        text = Path("/proc/cpuinfo").read_text()
        assert all(f" {name}" in text for name in provenance.cpu_features().split())
        assert ("avx2" in provenance.cpu_features().split()) == (" avx2 " in text)

    def test_the_kernel_is_the_one_that_runs(self):
        """OpenBLAS takes the kernel that the environment names; a library of another kind ignores it."""
        code = "from backbench import provenance; print(provenance.blas())"
        kernels = [_printed(code, kernel) for kernel in ("Haswell", "Nehalem")]
        assert all("/" not in text and text for text in kernels)
        if "openblas" in kernels[0] and provenance.machine()["machine"] == "x86_64":
            assert "Haswell" in kernels[0] and kernels[1] == kernels[0].replace("Haswell", "Nehalem")


def _printed(code: str, kernel: str) -> str:
    variables = {**os.environ, "PYTHONPATH": str(WORKFLOW), "OPENBLAS_CORETYPE": kernel}
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True)
    return done.stdout.strip()
