"""The upkeep of the store and of the results folder: sizes, verification, freeing space, removing sweeps."""

import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sharing import once
from sweeping import GRID, collection, computed, rows_of

from backbench import hashing, paths
from backbench.cli import main
from backbench.engine.results import ledger
from backbench.engine.run import status
from backbench.store import Store
from backbench.upkeep import collecting, inventory, sweeps
from backbench.upkeep.collecting import Wanted

FEW = (*GRID[:2], "k=2", "classifier=knn", "retrieval=none")
SMALL, LARGE = (*FEW, "clusterer=kmeans"), (*FEW, "clusterer=kmeans,agglomerative")


def two_sweeps(folder: Path) -> str:
    """A results folder with two sweeps of one collection, which share all of the first."""
    with pytest.MonkeyPatch().context() as patch:
        patch.setenv("BACKBENCH_RESULTS", str(folder / "results"))
        for at, grid in enumerate((SMALL, LARGE)):
            plan = computed(*grid, *collection(folder / "photos", classes=("a", "b", "c"), each=12))
            ledger.join(plan, ledger.read_records(plan, Store(paths.store())))
            os.utime(plan.path, (time.time() - 86400 * (40 - 20 * at),) * 2)
    return str(folder / "results")


@pytest.fixture
def results(tmp_path_factory, tmp_path, monkeypatch) -> Path:
    """A copy of them."""
    folder, _ = once(tmp_path_factory, "two-sweeps", two_sweeps)
    subprocess.run(["cp", "-a", str(folder / "results"), str(tmp_path / "results")], check=True)
    monkeypatch.setenv("BACKBENCH_RESULTS", str(tmp_path / "results"))
    monkeypatch.delenv("BACKBENCH_STORE", raising=False)
    return tmp_path / "results"


@pytest.fixture
def plans(results):
    small, large = ledger.saved_plans()
    return small, large


@pytest.fixture
def store(results) -> Store:
    return Store(paths.store())


def bytes_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def printed(capsys, *words) -> str:
    assert main(list(words)) == 0
    return capsys.readouterr().out


class TestSizes:
    def test_every_byte_is_counted_once(self, store):
        assert inventory.of(store).bytes == bytes_of(store.root)

    def test_kinds_are_listed(self, store, capsys):
        listed = json.loads(printed(capsys, "store", "ls", "--format", "json"))
        counts = {line["kind"]: line["results"] for line in listed}
        assert counts["clustering"] == 2 and counts["classification"] == 1 and counts["scores"] == 3
        assert sum(line["bytes"] for line in listed) == bytes_of(store.root) - bytes_of(store.root / "pixels")
        table = printed(capsys, "store", "ls").splitlines()
        assert table[0].split() == ["kind", "results", "failed", "code", "bytes", "newest"]
        assert len({line.index("B  20") for line in table[1:]}) == 1, "sizes are aligned"

    def test_sweeps_share_what_both_use(self, plans, store, capsys):
        lines = json.loads(printed(capsys, "store", "du", "--format", "json"))
        by_name = {line["name"]: line for line in lines if line["what"] == "sweep"}
        small, large = (by_name[hashing.short(plan.sweep)] for plan in plans)
        shared = by_name["shared between sweeps"]
        assert small["alone"] == 0 and small["bytes"] == shared["bytes"]
        assert large["bytes"] == shared["bytes"] + large["alone"] and large["alone"] > 0
        assert by_name["none of this folder"]["bytes"] == 0
        assert lines[-1]["bytes"] == bytes_of(store.root)

    def test_images_partial_work_and_leftovers_are_told_apart(self, store, capsys):
        before = bytes_of(store.root / "pixels")
        for name, size in (("pixels/x/a.rows", 10), ("partial/features/b/rows.npy", 20), ("clustering/ab/.tmp-c", 30)):
            path = store.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes(size))
        lines = json.loads(printed(capsys, "store", "du", "--format", "json"))
        sizes = {line["name"]: line["bytes"] for line in lines if line["what"] == "files"}
        assert sizes["decoded images"] == 10 + before and sizes["unfinished work"] == 20
        assert sizes["no record names them"] == 30

    def test_without_a_store(self, tmp_path, monkeypatch, capsys):
        monkeypatch.setenv("BACKBENCH_STORE", str(tmp_path / "none"))
        assert main(["store", "ls"]) == 2 and "there is no store" in capsys.readouterr().err


class TestVerify:
    def test_a_whole_store(self, store, capsys):
        assert main(["store", "verify"]) == 0
        assert "nothing is damaged" in capsys.readouterr().err

    @pytest.mark.parametrize("damage", ["record", "array", "cut", "lost"])
    def test_damage_is_named_and_forgotten_on_request(self, plans, store, capsys, damage):
        path = max(store.root.rglob("*.json" if damage == "record" else "clustering/*/*.labels.*.npy"))
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0xFF
        path.unlink()
        if damage != "lost":
            path.write_bytes(content[:-1] if damage == "cut" else content)
        assert main(["store", "verify"]) == 1
        assert str(path) in capsys.readouterr().out
        assert main(["store", "verify", "--remove"]) == 1
        assert status.inspect(plans[1], store).due
        assert main(["store", "verify"]) == 0


class TestCollect:
    def test_nothing_goes_without_yes(self, store, capsys):
        before = sorted(store.root.rglob("*"))
        assert main(["store", "gc", "--size-limit", "1k"]) == 0
        assert "nothing was removed: add --yes" in capsys.readouterr().err
        assert sorted(store.root.rglob("*")) == before

    def test_the_results_of_a_sweep_alone_go(self, plans, store):
        small, large = plans
        assert main(["store", "gc", "--sweep", hashing.short(small.sweep), "--yes"]) == 0
        assert not status.inspect(large, store).due, "all of it is used by the other sweep"
        freed = collecting.parts(inventory.of(store), plans, Wanted([large]))
        assert main(["store", "gc", "--sweep", hashing.short(large.sweep), "--yes"]) == 0
        state = status.inspect(large, store)
        assert not status.inspect(small, store).due and len(state.needed) == 1
        assert {result.kind for part in freed for result in part.results} == {"clustering", "scores"}

    def test_old_sweeps_go_with_what_no_younger_one_uses(self, plans, store):
        assert main(["store", "gc", "--older-than", "30d", "--yes"]) == 0
        assert not status.inspect(plans[0], store).due
        assert main(["store", "gc", "--older-than", "10d", "--yes"]) == 0
        assert list(store.root.rglob("*.json")) == []

    def test_a_limit_takes_images_first_and_never_the_newest_sweep(self, plans, store, capsys):
        images = store.root / "pixels" / "x" / "a.rows"
        images.parent.mkdir(parents=True)
        images.write_bytes(bytes(50_000))
        size, decoded = bytes_of(store.root), bytes_of(store.root / "pixels")
        assert main(["store", "gc", "--size-limit", f"{(size - 10_000) / 1000}k", "--yes"]) == 0
        assert bytes_of(store.root) == size - decoded and not images.parent.exists()
        assert not status.inspect(plans[1], store).due
        assert main(["store", "gc", "--size-limit", "1k", "--yes"]) == 0
        assert "name what else may go" in capsys.readouterr().err
        assert not status.inspect(plans[1], store).due

    def test_what_no_sweep_names_goes_by_name_only(self, plans, store):
        plans[1].path.unlink()
        assert main(["store", "gc", "--yes"]) == 0
        lonely = inventory.of(store).results.keys() - inventory.of(store).used_by(plans[0])
        assert {path.parts[-3] for path in lonely} == {"clustering", "scores"}
        assert main(["store", "gc", "--unreferenced", "--yes"]) == 0
        assert inventory.of(store).results.keys() == inventory.of(store).used_by(plans[0])
        assert not status.inspect(plans[0], store).due

    def test_results_of_other_code_are_told_apart(self, plans, store):
        member = next(key for key, stage in plans[0].stages.items() if stage.kind == "clustering")
        labels = {"labels": store.array("clustering", member, "labels")}
        store.write("clustering", member, {**store.read("clustering", member), "code": "f" * 64}, labels)
        assert main(["store", "gc", "--unreferenced", "--yes"]) == 0
        assert not status.inspect(plans[0], store).due
        assert store.of({("clustering", member): ("f" * 64,)}, others=False).read("clustering", member) is None
        assert len(store.array("clustering", member, "labels")), "the array that both named stays"

    def test_a_store_elsewhere_says_that_others_may_use_it(self, plans, results, tmp_path, monkeypatch, capsys):
        (results / "store").rename(tmp_path / "shared")
        monkeypatch.setenv("BACKBENCH_STORE", str(tmp_path / "shared"))
        (tmp_path / "shared" / "partial" / "features").mkdir(parents=True, exist_ok=True)
        (tmp_path / "shared" / "partial" / "features" / "rows.npy").write_bytes(b"1")
        assert main(["store", "gc", "--yes"]) == 0
        assert "may be used by other results folders" in capsys.readouterr().err
        assert (tmp_path / "shared" / "partial" / "features" / "rows.npy").exists(), "another launch may work on it"

    def test_a_running_sweep_is_left_alone(self, store, capsys):
        program = "from backbench import lock; held = lock.acquire(); print('held', flush=True); input()"
        holder = subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            assert holder.stdout.readline() == "held\n"
            assert main(["store", "gc", "--yes"]) == 2 and "another sweep runs" in capsys.readouterr().err
        finally:
            holder.communicate("\n")

    def test_a_kill_leaves_no_half_result(self, plans, store):
        """At every step of a removal each result is whole or not there."""
        content = inventory.of(store)
        chosen = collecting.parts(content, plans, Wanted([plans[1], plans[0]]))
        unlink, states = Path.unlink, []

        def step(path, missing_ok=False):
            unlink(path, missing_ok)
            left = inventory.of(store)
            states.append(all(store.complete(each.kind, each.about) for each in left.results.values()))

        with pytest.MonkeyPatch().context() as patch:
            patch.setattr(Path, "unlink", step)
            collecting.remove(content, chosen)
        assert len(states) > 10 and all(states)

    @pytest.mark.parametrize(
        ("words", "reason"),
        [
            (["gc", "--older-than", "soon"], "--older-than: received 'soon'; allowed: hours, days or weeks"),
            (["gc", "--size-limit", "50X"], "--size-limit: received '50X'; allowed: a size such as 500M"),
            (["ls", "--yes"], "--yes is an option of `backbench store gc`, not of `backbench store ls`"),
            (["gc", "--sweep", "zzz"], "no sweep has an id that starts with it"),
        ],
    )
    def test_mistakes_are_refused(self, store, capsys, words, reason):
        assert main(["store", *words]) == 2
        assert reason in capsys.readouterr().err


class TestSweeps:
    def test_sweeps_are_listed(self, plans, capsys):
        lines = json.loads(printed(capsys, "sweeps", "ls", "--format", "json"))
        assert [line["sweep"] for line in lines] == [hashing.short(plan.sweep) for plan in plans]
        assert [(line["runs"], line["done"], line["failed"]) for line in lines] == [(1, 1, 0), (2, 2, 0)]
        assert all(line["experiment"] == "none" and line["bytes"] > 1000 for line in lines)
        assert hashing.short(plans[0].sweep) in printed(capsys, "sweeps", "ls")

    def test_a_sweep_goes_and_its_results_stay(self, plans, store, capsys):
        small, large = plans
        before = sorted(store.root.rglob("*"))
        receipts = {shard.receipt for shard in small.shards.values()}
        for shard in (*small.shards.values(), *large.shards.values()):
            status.write_receipt(shard, {})
        assert main(["sweeps", "rm", hashing.short(large.sweep), "--yes"]) == 0
        assert "runs in MLflow stay" in capsys.readouterr().err
        assert [plan.sweep for plan in ledger.saved_plans()] == [small.sweep]
        assert not large.folder.exists() and not large.path.exists() and sorted(store.root.rglob("*")) == before
        assert set(paths.receipts().rglob("*.json")) == receipts, "those of the other sweep stay"
        assert {row.status for row in rows_of(small)} == {"finished"}

    def test_its_results_go_with_it(self, plans, store):
        assert main(["sweeps", "rm", hashing.short(plans[1].sweep), "--results", "--yes"]) == 0
        content = inventory.of(store)
        assert content.results.keys() == content.used_by(plans[0])
        assert not status.inspect(plans[0], store).due

    def test_without_a_terminal_it_takes_yes(self, plans, capsys):
        word = hashing.short(plans[0].sweep)
        assert main(["sweeps", "rm", word]) == 2
        assert f"type: backbench sweeps rm {word} --yes" in capsys.readouterr().err
        assert len(ledger.saved_plans()) == 2

    def test_a_removal_that_was_cut_short_is_continued(self, plans):
        small, large = plans
        places = sweeps.files_of(large, [small])
        assert places[-1] == large.path, "the plan goes last, since it names the others"
        sweeps.remove(places[:1])
        aside = large.folder.with_name(f"{sweeps.REMOVED}{large.folder.name}")
        aside.mkdir()
        (aside / "results.json").write_text("{")
        assert main(["sweeps", "rm", hashing.short(large.sweep), "--yes"]) == 0
        assert not aside.exists() and len(ledger.saved_plans()) == 1

    def test_nothing_named(self, results, capsys):
        assert main(["sweeps", "rm"]) == 2 and "name the sweeps to remove" in capsys.readouterr().err


class TestClean:
    @pytest.fixture
    def folder(self, tmp_path) -> Path:
        for name in (*self.KEPT, "results/store/x", "results/a b/y", ".snakemake/z"):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x")
        return tmp_path

    def clean(self, folder, *words, **options):
        makefile = paths.CHECKOUT / "Makefile"
        (folder / "scripts").mkdir()
        (folder / "scripts" / "remove_results.sh").write_bytes(
            (paths.CHECKOUT / "scripts" / "remove_results.sh").read_bytes()
        )
        return subprocess.run(
            ["make", "-f", str(makefile), "clean", *words], cwd=folder, capture_output=True, text=True, **options
        )

    def left(self, folder) -> set[str]:
        return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.suffix != ".sh"}

    KEPT = frozenset({"results/README.md", "results/downloads/kept", "results/server/data"})

    def test_without_a_terminal_it_refuses(self, folder):
        before = self.left(folder)
        done = self.clean(folder, stdin=subprocess.DEVNULL)
        assert done.returncode != 0 and "make clean YES=1" in done.stderr and "results/store" in done.stdout
        assert self.left(folder) == before

    def test_yes_removes(self, folder):
        assert self.clean(folder, "YES=1", stdin=subprocess.DEVNULL).returncode == 0
        assert self.left(folder) == self.KEPT

    @pytest.mark.parametrize(("answer", "removed"), [("y\n", True), ("\n", False), ("no\n", False)])
    def test_a_terminal_is_asked(self, folder, answer, removed):
        before = self.left(folder)
        ours, theirs = pty.openpty()
        os.write(ours, answer.encode())
        done = self.clean(folder, stdin=theirs)
        os.close(ours)
        os.close(theirs)
        assert "Remove all of this?" in done.stdout and (done.returncode == 0) == removed
        assert self.left(folder) == (self.KEPT if removed else before)


class TestPage:
    """The commands of docs/store.md, as they stand there."""

    def commands(self, part: str) -> list[str]:
        text = (paths.CHECKOUT / "docs" / "store.md").read_text()
        block = text.partition(f"<!-- {part} -->")[2].partition(f"<!-- /{part} -->")[0]
        return [line.partition("  #")[0].strip() for line in block.splitlines() if not line.startswith("```") and line]

    @pytest.mark.parametrize("part", ["look", "clean", "remove"])
    def test_commands_of_backbench(self, plans, part, capsys):
        for line in self.commands(part):
            words = line.replace("SWEEP", hashing.short(plans[0].sweep)).split()
            if words[0] == "backbench":
                assert main(words[1:]) == (2 if words[1:3] == ["sweeps", "rm"] and "--yes" not in words else 0), line

    def test_sharing(self, store):
        group = os.getgroups()[0] if os.getgroups() else os.getgid()
        for line in self.commands("share"):
            command = line.replace("lab", str(group), 1)
            environment = {**os.environ, "BACKBENCH_STORE": str(store.root)}
            subprocess.run(command, shell=True, check=True, env=environment)
        for path in [store.root, *store.root.rglob("*")]:
            assert path.stat().st_mode & 0o020 and path.stat().st_gid == group
        assert all(path.stat().st_mode & 0o2000 for path in store.root.rglob("*") if path.is_dir())


@pytest.mark.parametrize(("answer", "left"), [("y\n", 1), ("n\n", 2)])
def test_removing_a_sweep_asks_on_a_terminal(plans, answer, left):
    ours, theirs = pty.openpty()
    os.write(ours, answer.encode())
    program = "import sys; from backbench.cli import main; sys.exit(main())"
    words = ["sweeps", "rm", hashing.short(plans[1].sweep)]
    done = subprocess.run([sys.executable, "-c", program, *words], stdin=theirs, capture_output=True, text=True)
    os.close(ours)
    os.close(theirs)
    assert "Remove 1 sweep? [y/N]" in done.stdout
    assert done.returncode == (0 if left == 1 else 1) and len(ledger.saved_plans()) == left


def test_what_a_kill_left_behind_is_collected_and_what_was_just_written_is_not(store):
    folder = next((store.root / "clustering").iterdir())
    old, new = (folder / f"{digit * 64}.labels.0.npy" for digit in "ab")
    for path, age in ((old, 3600), (new, 0)):
        path.write_bytes(b"array")
        os.utime(path, (time.time() - age,) * 2)
    assert main(["store", "gc", "--yes"]) == 0
    assert not old.exists() and new.exists()


def test_what_the_store_did_not_make_is_left_alone(store):
    foreign = [
        store.root / name for name in ("notes.json", "clustering/notes.txt", "photos/ab/x.json", "clustering/ab/x")
    ]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("somebody's own")
        os.utime(path, (0, 0))
    assert main(["store", "gc", "--unreferenced", "--yes"]) == 0
    assert main(["store", "verify", "--remove"]) == 0
    assert all(path.exists() for path in foreign)


def test_what_cannot_be_read_is_no_damage_and_stays(store, monkeypatch, capsys):
    record = next((store.root / "clustering").glob("*/*.json"))
    whole = Path.read_bytes

    def refuse(path):
        if path == record:
            raise PermissionError(13, "Permission denied")
        return whole(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert main(["store", "verify", "--remove"]) == 1
    assert f"{record}: it cannot be read by this user" in capsys.readouterr().out
    assert main(["store", "gc", "--unreferenced", "--yes"]) == 0
    monkeypatch.undo()
    assert record.exists() and store.complete("clustering", store.opened(record))


@pytest.mark.parametrize("what", ["results", "home"])
def test_a_store_with_other_things_in_it_is_refused(store, what, monkeypatch, capsys):
    if what == "results":
        monkeypatch.setenv("BACKBENCH_RESULTS", str(store.root / "results"))
        monkeypatch.setenv("BACKBENCH_STORE", str(store.root))
    else:
        monkeypatch.setenv("HOME", str(store.root))
    assert main(["store", "gc", "--yes"]) == 2
    assert "should be a folder of its own" in capsys.readouterr().err


def test_an_empty_text_names_no_sweep(plans, capsys):
    assert main(["sweeps", "rm", "", "--yes"]) == 2
    assert "empty text" in capsys.readouterr().err and len(ledger.saved_plans()) == len(plans)
