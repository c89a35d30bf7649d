"""Pictures as pixels (layer 1): from the bytes of a file to what a backbone is given."""
