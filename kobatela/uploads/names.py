"""File names are the sender's text: cleaned for people to read, never used for anything else."""

import re
import unicodedata

MAX_NAME_CHARS = 100
NAMELESS = "file"


def readable_name(name: str) -> str:
    """The last part of `name` without anything that could steer a terminal, a page or a path.

    Directions of text, control characters and line ends are dropped, and what is left is NFC and
    at most 100 characters long. An empty rest becomes "file".
    """
    last_part = re.split(r"[/\\]", name)[-1]
    composed = unicodedata.normalize("NFC", last_part)
    # Category C: controls, formats (text direction), surrogates, private use, unassigned. Zl and Zp
    # are line and paragraph separators.
    visible = "".join(
        character
        for character in composed
        if not unicodedata.category(character).startswith("C")
        and unicodedata.category(character) not in {"Zl", "Zp"}
    )
    return visible.strip(" .")[:MAX_NAME_CHARS] or NAMELESS
