"""Pictures of one run, a module each; see :mod:`backbench.pictures`."""
