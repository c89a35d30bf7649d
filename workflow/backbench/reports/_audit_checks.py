"""What the counts of an audit mean, what the policy did about each, and the verdict; the words are in the template."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePath
from typing import Any, TypedDict

from backbench.reports import templates

FAULT, LOOK, FINE, ABSENT = "fault", "look", "fine", "absent"
WORDS = "_audit.jinja"
# The largest class may have this many times the images of the smallest before accuracy is misleading.
IMBALANCE = 5.0
# Checks that have no list of images: their meaning says everything.
WITHOUT_IMAGES = ("imbalance", "groups")
# Kind of fault, gravest first -> its state, and the option of the data set that decides what is done about it.
KINDS = {
    "across_parts": (FAULT, "duplicates"),
    "near_across_parts": (FAULT, "near_duplicates"),
    "two_classes": (FAULT, ""),
    "unreadable": (LOOK, "unreadable"),
    "duplicates": (LOOK, "duplicates"),
    "near_duplicates": (LOOK, "near_duplicates"),
    "flat": (LOOK, ""),
    "odd": (LOOK, ""),
    "tiny": (LOOK, ""),
    "shallow": (LOOK, ""),
    "passed_over": (LOOK, ""),
}
# How the reasons of files begin that the policy left out.
LEFT_OUT = {"duplicates": "the same image as", "near_duplicates": "nearly the same image as"}


@dataclass(frozen=True)
class Check:
    """One line of the verdict: how many, what that means, what the policy did and what to type next.

    `state` is ``fault`` (wrong figures ahead), ``look`` (a person should decide), ``fine`` or ``absent`` (could not be
    checked, for the reason in `meaning`). `said` is the part of the verdict's sentence.
    """

    key: str
    title: str
    shown: str
    state: str
    meaning: str
    said: str = ""
    policy: str = ""
    then: str = ""


class Verdict(TypedDict):
    """The state of a collection and the sentence that says why."""

    state: str
    text: str


def checks(report: Mapping[str, Any]) -> list[Check]:
    """All checks of a report, the gravest kinds first."""
    return [*(_check(kind, report) for kind in KINDS), _imbalance(report), *_groups(report)]


def verdict(report: Mapping[str, Any], checked: Sequence[Check]) -> Verdict:
    """The worst state of the checks, and a sentence."""
    state = next((state for state in (FAULT, LOOK) if any(check.state == state for check in checked)), FINE)
    phrases = [check.said for check in checked if check.state == state]
    return {"state": state, "text": _words().verdict(state, phrases, report["counts"])}


def plain(checked: Sequence[Check]) -> list[dict[str, str]]:
    """Checks as plain JSON."""
    return [asdict(check) for check in checked]


def title(report: Mapping[str, Any]) -> str:
    """What a collection is called: its folder, else its name."""
    root = str(report["root"] or "") if report["files"] else ""
    return PurePath(root).name or root or str(report["name"])


def count(report: Mapping[str, Any], key: str) -> int | None:
    """How many of a kind there are; None where it could not be checked."""
    counts: Mapping[str, int | None] = report["counts"]
    if key != "two_classes":
        return counts.get(key)
    groups = [counts[f"{name}_in_two_classes"] for name in ("duplicates", "near_duplicates")]
    return None if groups == [None, None] else sum(filter(None, groups))


def _words() -> Any:
    return templates.words(WORDS)


def _check(key: str, report: Mapping[str, Any]) -> Check:
    words, (state, option) = _words().kinds[key], KINDS[key]
    number = count(report, key)
    absent = report["absent"].get("classes" if key == "two_classes" else key)
    if absent or number is None:
        return Check(key, words["title"], "–", ABSENT, _words().absent(absent or "nothing to compare"))
    policy, then = _policy(key, option, number, report)
    bits = report["shallow"][0]["bits"] if key == "shallow" and number else None
    phrase = words["said"][number != 1].format(f"{number:,}", bits=bits) if number else ""
    return Check(key, words["title"], f"{number:,}", state if number else FINE, words["meaning"], phrase, policy, then)


def _policy(key: str, option: str, number: int, report: Mapping[str, Any]) -> tuple[str, str]:
    """What was done, and the override that does something else."""
    words = _words()
    left_out = sum(entry["reason"].startswith(LEFT_OUT.get(key, "\0")) for entry in report["left_out"])
    if left_out:
        return words.left_out(left_out, option), ""
    if key == "shallow" and number:
        return _bits(report["shallow"])
    if not option or not number:
        return "", ""
    value = report["policy"].get(option)
    if value is None:
        return words.published(), ""
    return (words.dropped(), "") if option == "unreadable" else (words.kept(option, value), f"dataset.{option}=exclude")


def _bits(shallow: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """How many bits the values of 16-bit images use, and the override for it; there is none for colour."""
    grey = [image["bits"] for image in shallow if not image["colour"]]
    if grey:
        return _words().grey_bits(len(grey), grey[0]), f"dataset.bits={grey[0]}"
    return _words().colour_bits(shallow[0]["bits"]), ""


def _imbalance(report: Mapping[str, Any]) -> Check:
    key, words, classes = "imbalance", _words(), report["classes"]
    name = words.kinds[key]["title"]
    if classes is None:
        return Check(key, name, "–", ABSENT, words.absent(report["absent"].get("classes", "no classes")))
    ratio, counts = classes["ratio"], classes["counts"]
    empty = {part: names for part, names in classes["missing"].items() if names}
    uneven = (ratio or 1.0) >= IMBALANCE
    phrase = words.lacking(empty) if empty else words.uneven(ratio) if uneven else ""
    shown = "–" if ratio is None else f"{ratio:.0f} : 1" if ratio >= 10 else f"{ratio:.1f} : 1"
    meaning = words.classes(counts[0], counts[-1], empty, uneven)
    return Check(key, name, shown, LOOK if empty or uneven else FINE, meaning, phrase)


def _groups(report: Mapping[str, Any]) -> list[Check]:
    """How many groups there are that no split is to divide; nothing where the images have no groups."""
    if "groups" not in report:
        return []
    words, groups = _words(), report["groups"]
    phrase = words.divided(groups["across_parts"]) if groups["across_parts"] else ""
    name, meaning = words.kinds["groups"]["title"], words.groups(groups)
    return [Check("groups", name, f"{groups['count']:,}", FAULT if phrase else FINE, meaning, phrase)]
