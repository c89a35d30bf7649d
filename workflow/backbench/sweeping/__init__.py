"""Sweeping: a launch from the overrides to recorded results, for the command line and for Python.

`describing` says what a launch would do, `launch` does it, and `panel` shows its progress. `asked` reads the options of
Snakemake, `cluster` looks at SLURM before anything is submitted to it, and `fetching` fetches what jobs elsewhere need.

Imports `tracking` and layers below.
"""
