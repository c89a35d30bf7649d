"""The stages (layer 2), one module per kind: from the inputs of a shard to the outcomes of its members."""
