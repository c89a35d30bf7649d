"""Every command that a message, a help text, a template or a page names in a sentence can be typed as it stands.

The blocks of commands in the pages are parsed by test_documents.py.
"""

import ast
import contextlib
import functools
import io
import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from backbench import cli
from backbench.cli import words as typed

ROOT = Path(__file__).resolve().parents[1]
CODE = sorted([*(ROOT / "workflow").rglob("*.py"), *(ROOT / "scripts").glob("*.py")])
TEMPLATES = sorted(path for ending in ("html", "jinja", "rst") for path in (ROOT / "workflow").rglob(f"*.{ending}"))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "conf").rglob("*.yaml")])
# Stands for what is filled in.
HOLE = "\0"
NAME = re.compile(r"\bbackbench (?=[a-z])")
END = re.compile(r"`|\n|  |[;,.:] |[.:]$|\)|&|<|>| \(")
BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
# Parsers and their options, made once.
PARSERS = cli._parsers()[1]


def texts(path: Path) -> Iterator[str]:
    """What a file says, with holes where something is filled in: of code its strings."""
    if path.suffix != ".py":
        yield re.sub(r"\{\{.*?\}\}", HOLE, BLOCK.sub("", path.read_text()))
        return
    nodes = list(ast.walk(ast.parse(path.read_text())))
    parts = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else HOLE for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.value


def suggested(path: Path) -> Iterator[list[str]]:
    """The words of each command of a file; usages with [options] and shell patterns are none."""
    for text in texts(path):
        for match in NAME.finditer(text):
            line = END.split(text[match.end() :], maxsplit=1)[0]
            command, *rest = line.split()
            quoted = text[max(0, match.start() - 1)] == "`"
            whole = "[" not in line and not any(line.count(quote) % 2 for quote in "'\"")
            if rest and whole and (quoted or (path.suffix != ".md" and command in cli.COMMANDS)):
                yield [command, *shlex.split(line)[1:]]


def filled(words: list[str]) -> Iterator[list[str]]:
    """A command with something in its holes: a value, an option, a choice, or nothing."""
    options = typed.Options.of(PARSERS[words[0]]) if words[0] in PARSERS else typed.Options(frozenset(), frozenset())

    def values(at: int) -> list[str | None]:
        word = words[at]
        if word.startswith(f"--{HOLE}"):
            return list(options.bare)
        choices = options.choices.get(words[at - 1], options.actions)
        return [word.replace(HOLE, "1"), None, *choices] if HOLE in word else [word]

    for chosen in itertools.product(*(values(at) for at in range(len(words)))):
        yield [word for word in chosen if word is not None]


@functools.cache
def parses(*words: str) -> bool:
    """Whether the command line takes these words; the bare name of options is one of a feature."""
    if words[0] in PARSERS and "--" not in words and all(word.startswith("--") for word in words[1:]):
        return set(words[1:]) <= set(typed.Options.of(PARSERS[words[0]]).all)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            cli._parsed(cli._split(list(words))[0])
    except typed.UsageError:
        return False
    except SystemExit as ending:
        return not ending.code
    return True


@pytest.mark.parametrize("kind", ["code", "templates", "pages"])
def test_they_parse(kind):
    named = [
        (path, words)
        for path in {"code": CODE, "templates": TEMPLATES, "pages": PAGES}[kind]
        for words in suggested(path)
    ]
    wrong = [
        f"{path.relative_to(ROOT)}: backbench {shlex.join(words)}"
        for path, words in named
        if not any(parses(*line) for line in filled(words))
    ]
    assert named and not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("see `backbench exports HASH`", ["exports", "HASH"]),
        ("`backbench export HASH --format onnx`", ["export", "HASH", "--format", "onnx"]),
        ("`backbench store move`", ["store", "move"]),
        ("`backbench export HASH FOLDER`", ["export", "HASH", "FOLDER"]),
    ],
)
def test_one_that_cannot_be_typed_is_noticed(tmp_path, text, words):
    path = tmp_path / "page.md"
    path.write_text(text)
    assert list(suggested(path)) == [words] and not any(parses(*line) for line in filled(words))
