"""What the counts of an audit mean, what the policy did about each, and the verdict in one sentence."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePath
from typing import Any

from backbench.wording import counted

FAULT, LOOK, FINE, ABSENT = "fault", "look", "fine", "absent"
# The largest class may have this many times the images of the smallest before accuracy is misleading.
IMBALANCE = 5.0
NO_POLICY = "This collection is as it was published; say so beside your figures."


@dataclass(frozen=True)
class Check:
    """One line of the verdict: how many, what that means, what the policy did and what to type next.

    `state` is ``fault`` (wrong figures ahead), ``look`` (a person should decide), ``fine`` or ``absent`` (could not be
    looked at, for the reason in `meaning`). `said` is the part of the verdict's sentence.
    """

    key: str
    title: str
    shown: str
    state: str
    meaning: str
    said: str = ""
    policy: str = ""
    then: str = ""


@dataclass(frozen=True)
class _Kind:
    """How one kind of fault is worded; `said` has the forms for one and for many."""

    key: str
    title: str
    state: str
    meaning: str
    said: tuple[str, str]
    option: str = ""


KINDS = (
    _Kind(
        "across_parts",
        "In two parts",
        FAULT,
        "Validation or test images that are in an earlier part too: the score on them is memory.",
        (
            "1 validation or test image is in an earlier part too",
            "{} validation or test images are in an earlier part too",
        ),
        "duplicates",
    ),
    _Kind(
        "near_across_parts",
        "Nearly in two parts",
        FAULT,
        "Validation or test images with a near duplicate in an earlier part: resized, recompressed, cropped a little.",
        ("1 held-out image nearly repeats an earlier part", "{} held-out images nearly repeat an earlier part"),
        "near_duplicates",
    ),
    _Kind(
        "two_classes",
        "Under two classes",
        FAULT,
        "Groups of equal or nearly equal images whose labels contradict each other: one of them is wrong.",
        ("1 image stands under two classes", "{} images stand under two classes"),
    ),
    _Kind(
        "unreadable",
        "Unreadable",
        LOOK,
        "Files that are not one whole image: empty, cut short, or something else. None is repaired.",
        ("1 file is unreadable", "{} files are unreadable"),
        "unreadable",
    ),
    _Kind(
        "duplicates",
        "Exact duplicates",
        LOOK,
        "Images beyond the first of each group with equal pixels: they count double in every score.",
        ("1 image is an exact copy", "{} images are exact copies"),
        "duplicates",
    ),
    _Kind(
        "near_duplicates",
        "Near duplicates",
        LOOK,
        "Images beyond the first of each group of one picture in several versions, or shots of one burst.",
        ("1 is a near duplicate", "{} are near duplicates"),
        "near_duplicates",
    ),
    _Kind(
        "flat",
        "Blank",
        LOOK,
        "Images of a single tone: there is nothing in them to learn from.",
        ("1 image is blank", "{} images are blank"),
    ),
    _Kind(
        "odd",
        "Odd shapes",
        LOOK,
        "Images three times as long as wide, or more: a square crop loses most of them, a squash bends them.",
        ("1 has an odd shape", "{} have odd shapes"),
    ),
    _Kind(
        "tiny",
        "Tiny",
        LOOK,
        "Images with a side below 32 pixels among larger ones: enlarged, they are mostly interpolation.",
        ("1 is tiny", "{} are tiny"),
    ),
    _Kind(
        "shallow",
        "Few bits",
        LOOK,
        "16-bit images whose values fill only the lower bits, as those of a sensor with 12 do: they come out nearly "
        "black.",
        ("1 image of 16 bits fills only {bits}", "{} images of 16 bits fill only {bits}"),
    ),
    _Kind(
        "passed_over",
        "Passed over",
        LOOK,
        "Videos, documents and system files; files beside the class folders, not in the table or without a label; "
        "empty folders: no part of the data.",
        ("1 path was passed over", "{} paths were passed over"),
    ),
)


def checks(report: Mapping[str, Any]) -> list[Check]:
    """All checks of a report, the gravest kinds first."""
    return [*(_check(kind, report) for kind in KINDS), _imbalance(report)]


def verdict(report: Mapping[str, Any], found: Sequence[Check]) -> dict[str, str]:
    """The state of a collection and the sentence that says why."""
    faults, looks = ([check for check in found if check.state == state] for state in (FAULT, LOOK))
    if faults:
        return {"state": FAULT, "text": f"Put this right first: {_joined(check.said for check in faults)}."}
    size = f"{counted(report['counts']['images'], 'image')}{_in_classes(report)}"
    if looks:
        return {"state": LOOK, "text": f"Usable, but look: {_joined(check.said for check in looks)}."}
    return {"state": FINE, "text": f"Ready: {size}, all readable, and none of them twice."}


def plain(found: Sequence[Check]) -> list[dict[str, str]]:
    """Checks as plain JSON."""
    return [asdict(check) for check in found]


def title(report: Mapping[str, Any]) -> str:
    """What a collection is called: its folder, else its name."""
    return (PurePath(report["root"]).name or report["root"]) if report["files"] and report["root"] else report["name"]


def count(report: Mapping[str, Any], key: str) -> int | None:
    """How many of a kind there are; None where it could not be looked at."""
    counts = report["counts"]
    if key != "two_classes":
        return counts.get(key)
    groups = [counts[f"{name}_in_two_classes"] for name in ("duplicates", "near_duplicates")]
    return None if groups == [None, None] else sum(filter(None, groups))


def _check(kind: _Kind, report: Mapping[str, Any]) -> Check:
    number = count(report, kind.key)
    absent = report["absent"].get("classes" if kind.key == "two_classes" else kind.key)
    if absent or number is None:
        return Check(kind.key, kind.title, "–", ABSENT, f"Not looked at: {absent or 'nothing to compare'}.")
    policy, then = _policy(kind, number, report)
    state = kind.state if number else FINE
    bits = report["shallow"][0]["bits"] if kind.key == "shallow" and number else None
    said = kind.said[number != 1].format(f"{number:,}", bits=bits) if number else ""
    return Check(kind.key, kind.title, f"{number:,}", state, kind.meaning, said, policy, then)


def _policy(kind: _Kind, number: int, report: Mapping[str, Any]) -> tuple[str, str]:
    """What was done, and the override that does something else."""
    left = sum(entry["reason"].startswith(_LEFT_OUT.get(kind.key, "\0")) for entry in report["left_out"])
    if left:
        return f"{counted(left, 'file')} left out before (dataset.{kind.option}=exclude).", ""
    if kind.key == "shallow" and number:
        return _bits(report["shallow"])
    if not kind.option or not number:
        return "", ""
    now = report["policy"].get(kind.option)
    if now is None:
        return NO_POLICY, ""
    if kind.option == "unreadable":
        return "Left out, and recorded with every result (dataset.unreadable=exclude).", ""
    return f"Kept (dataset.{kind.option}={now}).", f"dataset.{kind.option}=exclude"


def _bits(shallow: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """How many bits the values of 16-bit images fill, and the override for it; there is none for colour."""
    grey = [image["bits"] for image in shallow if not image["colour"]]
    if grey:
        return f"The values of {counted(len(grey), 'grey image')} fill only {grey[0]} bits.", f"dataset.bits={grey[0]}"
    bits = shallow[0]["bits"]
    return f"The values fill only {bits} bits; of 16-bit colour only the high byte is read: convert it to 8 bits.", ""


_LEFT_OUT = {"duplicates": "the same image as", "near_duplicates": "nearly the same image as"}


def _imbalance(report: Mapping[str, Any]) -> Check:
    key, name = "imbalance", "Class imbalance"
    classes = report["classes"]
    if classes is None:
        return Check(key, name, "–", ABSENT, f"Not looked at: {report['absent'].get('classes', 'no classes')}.")
    empty = {part: names for part, names in classes["missing"].items() if names}
    largest, smallest = classes["counts"][0], classes["counts"][-1]
    meaning = f"{largest[0]} has {sum(largest[1:]):,} images, {smallest[0]} has {sum(smallest[1:]):,}."
    if empty:
        lack = _joined(f"{counted(len(names), 'class')} without an image in {part}" for part, names in empty.items())
        return Check(key, name, _ratio(classes), LOOK, f"{meaning} There are {lack}.", f"there are {lack}")
    uneven = (classes["ratio"] or 1.0) >= IMBALANCE
    meaning += " Read macro F1 and balanced accuracy beside accuracy." if uneven else ""
    said = f"the largest class is {classes['ratio']:.0f} times the smallest" if uneven else ""
    return Check(key, name, _ratio(classes), LOOK if uneven else FINE, meaning, said)


def _ratio(classes: Mapping[str, Any]) -> str:
    ratio = classes["ratio"]
    return "–" if ratio is None else f"{ratio:.0f} : 1" if ratio >= 10 else f"{ratio:.1f} : 1"


def _in_classes(report: Mapping[str, Any]) -> str:
    classes = report["counts"]["classes"]
    return f" in {counted(classes, 'class')}" if classes else ", without labels"


def _joined(parts: Iterable[str]) -> str:
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last
