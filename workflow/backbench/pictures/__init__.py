"""Pictures of runs and of sweeps, made from stored results alone (layer 2).

``kinds/`` has a module for each picture of one run, ``overview/`` one for each picture of a whole sweep. Both have

- ``TITLE``, what people call the picture, and ``CATEGORY``, where a report puts it;
- ``lacks(source) -> str | None``: why there is no such picture of this run, in words, or None where there is one;
- ``draw(source) -> Picture``.

The kinds of one run also say in ``SUBJECTS`` which results of the run they show (``clustering``, ``classification``,
``retrieval``, ``features``): runs that share these would have the same picture. A kind is found by its file; its stem
is the name by which it is asked for.
"""
