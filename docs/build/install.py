"""The commands that install the package, for README, site and guides: all of them take the text from here.

A release on the package index changes one line, RELEASED. `python docs/build/generate.py` and `mkdocs build` then write the new text.
"""

import re

RELEASED = False  # True once `pip install kerasrecipes` finds a release
CHECKOUT_COMMAND = re.compile(r'pip install (?:"\.(?P<extras>\[[\w,-]+\])"|\.(?=[\s`]))')  # as guides write it


def install_command(*extras: str) -> str:
    """Return the command that installs the package: by its name once it is released, until then from a checkout.

    Args:
        extras: Optional parts, for instance "tensorflow".
    """
    source = "kerasrecipes" if RELEASED else "."
    return f'pip install "{source}[{",".join(extras)}]"' if extras else f"pip install {source}"


def fill_commands(text: str) -> str:
    """Return a page with the commands of `install_command` in place of those for a checkout."""

    def fill(match: re.Match[str]) -> str:
        extras = match["extras"] or ""
        return install_command(*extras.strip("[]").split(",")) if extras else install_command()

    return CHECKOUT_COMMAND.sub(fill, text)


def install_block() -> str:
    """Return the README's block of shell commands."""
    rows = [
        (install_command(), "transcribes, classifies and segments without Keras: 127 MB to download"),
        (install_command("tensorflow"), "also trains; or [jax], [torch], [tensorflow-gpu]"),
        ("kerasrecipes demo", "each task on files of the package, with its time"),
    ]
    where = "" if RELEASED else "The package is not on the package index yet: run these commands in a checkout.\n\n"
    width = max(len(command) for command, _ in rows)
    return "\n".join([f"{where}```sh", *(f"{command:{width}}  # {text}" for command, text in rows), "```"])
