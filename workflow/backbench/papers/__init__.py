"""Published systems beside what is computed here: a YAML each with what was published, and the table of both.

``papers/NAME.yaml`` is data and never used for computing; the sweep of NAME is ``conf/experiment/NAME.yaml``. `names`
and `load` read the data; `table.make` takes the figures of a sweep and puts them beside the published ones. Imports
layers 0 and 1, `evaluate` and `sweep`; names and words are read without anything heavy.
"""

from pathlib import Path

from backbench.papers.published import Published, read
from backbench.schema import refuse


def names() -> list[str]:
    """The papers that there are, by name."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.yaml"))


def load(name: str) -> Published:
    """What was published of a system.

    Raises
    ------
    ConfigError
        If there is no such paper, or its YAML says something that it cannot say; the nearest name is given.
    """
    if name not in names():
        raise refuse("paper", name, names())
    return read(Path(__file__).parent / f"{name}.yaml")
