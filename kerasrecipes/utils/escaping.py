"""Text from outside on its way to a terminal or into a table."""

import re
from typing import Any

# C0, DEL and C1 controls, and characters that change the direction of text or begin a line
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def escape_controls(text: Any, keep: str = "") -> str:
    r"""Return a text in which control characters are escapes such as \u001b, which JSON reads as well.

    File names, labels and answers of a server could otherwise move the cursor, hide text, or split the rows of a table.

    Args:
        text: Text, or an object with `str()`.
        keep: Control characters that stay, for instance a newline.
    """
    return CONTROLS.sub(lambda match: match[0] if match[0] in keep else f"\\u{ord(match[0]):04x}", str(text))
