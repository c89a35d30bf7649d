"""Transform plugins (layer 1): one step of a head's chain from embeddings to the matrix that it works on."""
