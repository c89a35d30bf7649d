"""Sweeping: a launch from the overrides to recorded results, for the command line and for Python.

`describing` says what a launch would do, `launch` does it, and `panel` shows its progress.

Imports `tracking` and layers below.
"""
