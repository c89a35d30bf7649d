"""Sweeping: a launch from the overrides to recorded results, for the command line and for Python.

`describing` says what a launch would do, `launch` does it, and `panel` shows its progress. `asked` reads the options of
Snakemake, and `cluster` looks at SLURM before anything is submitted to it.

Imports `tracking` and layers below.
"""
