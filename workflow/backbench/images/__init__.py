"""Images as pixels: from the bytes of a file to the input of a backbone."""
