"""A look at everything that a sweep needs around it: one line for each finding, with what to set.

`rounds` asks the `probes`, each in a process of its own that may hang without harm: `environment` (Python, libraries),
`hardware` (cores, memory, GPU), `folders` (results, store and the like, and their file systems), `services` (MLflow,
the caches of weights) and `scheduler` (SLURM).

Imports `sweeping` and layers below.
"""
