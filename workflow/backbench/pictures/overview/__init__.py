"""Pictures of a whole sweep, a module each (layer 2); see :mod:`backbench.pictures`."""
