"""The stages (layer 2), one module for each kind: from the inputs of a job to the outcomes of its members."""
