"""Tests that are left out fail in the continuous integration; work that processes share is done once in a test run."""

import subprocess
import sys
from pathlib import Path

import pytest
from sharing import once

TESTS = """
import pytest
pytest.importorskip("os")

def test_runs():
    pass

@pytest.mark.skipif(True, reason="no such library")
def test_mark():
    pass

def test_inside():
    pytest.skip("BACKBENCH_ASSETS is not set")

@pytest.mark.xfail
def test_known():
    assert False
"""


@pytest.fixture
def ran(tmp_path, monkeypatch):
    """A function that runs `text` as a file of tests under this conftest, and gives what pytest said."""

    def run(text: str, strict: str) -> str:
        hooks = Path(__file__).with_name("conftest.py").read_text()
        (tmp_path / "conftest.py").write_text(hooks)
        (tmp_path / "test_of_it.py").write_text(text)
        monkeypatch.setenv("BACKBENCH_CI", strict)
        monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
        words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)]
        return subprocess.run([sys.executable, *words], cwd=tmp_path, capture_output=True, text=True).stdout

    return run


def test_what_is_missing_fails_there_alone(ran):
    assert "1 passed, 2 skipped, 1 xfailed" in ran(TESTS, "")
    said = ran(TESTS, "1")
    assert "1 passed, 1 skipped, 1 xfailed, 1 error" in said
    assert "test_mark was left out" in said and "no such library" in said


def test_a_whole_file_that_is_left_out_fails_there(ran):
    said = ran('import pytest\npytest.importorskip("a_library_that_is_missing")\n', "1")
    assert "1 error" in said and "a_library_that_is_missing" in said


def test_shared_work_is_done_once_and_again_after_a_failure(tmp_path_factory):
    done = []

    def make(folder: Path) -> int:
        done.append(folder)
        (folder / "made").touch()
        if len(done) == 1:
            raise OSError("no room")
        return 7

    with pytest.raises(OSError, match="no room"):
        once(tmp_path_factory, "test", make)
    for _ in range(2):
        folder, told = once(tmp_path_factory, "test", make)
        assert told == 7 and (folder / "made").exists()
    assert done == [folder, folder]
