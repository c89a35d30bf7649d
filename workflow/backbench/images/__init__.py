"""Images as pixels (layer 1): from the bytes of a file to the input of a backbone."""
