"""The stages, one module for each kind: from the inputs of a job to the outcomes of its members."""
