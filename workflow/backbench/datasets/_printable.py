"""Paths and names as they can be printed (standard library only)."""


def printable(text: str) -> str:
    """A path or name that can be printed and written anywhere: characters that cannot be printed are escaped."""
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
