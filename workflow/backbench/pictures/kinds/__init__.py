"""Pictures of one run, a module each (layer 2); see :mod:`backbench.pictures`."""
