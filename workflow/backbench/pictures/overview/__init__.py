"""Pictures of a whole sweep, a module each; see :mod:`backbench.pictures`."""
