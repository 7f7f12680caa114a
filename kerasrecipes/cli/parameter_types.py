"""Types of the values of options and arguments: choices from tables, data sets, classes of mask values."""

import importlib
from typing import Any

import click


def load_table(table: str) -> Any:
    """Return the table that "module:NAME" stands for."""
    module, _, name = table.partition(":")
    return getattr(importlib.import_module(module), name)


class Choices(click.Choice):
    """Choice among the names of a table, which is imported when a value or the help needs it.

    Args:
        table: "module:NAME" of a mapping, or of a sequence of names.
        title: Title of a help section that lists the names with the attribute `help` of their entries. Default: none.
    """

    def __init__(self, table: str, title: str = ""):
        self.table, self.title, self.case_sensitive = table, title, True

    @property
    def choices(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(load_table(self.table))

    def help_rows(self) -> list[tuple[str, str]]:
        return [(name, entry.help) for name, entry in load_table(self.table).items()]


class DataSpec(click.ParamType):
    """Specification of a data set. The help lists the readers.

    Args:
        yields: Kinds of data, "speech", "text", "images" or "masks", whose readers the help lists. Default: all.
    """

    name, title = "data", "Data sets"

    def __init__(self, *yields: str):
        self.yields = yields

    def help_rows(self) -> list[tuple[str, str]]:
        from kerasrecipes.data.specs import READERS, SHARED_OPTIONS, write_query

        yields = self.yields or tuple(SHARED_OPTIONS)
        rows = [(reader.form(name), reader.help) for name, reader in READERS.items() if reader.yields in yields]
        shared = [(write_query(SHARED_OPTIONS[kind]), f"for all readers of {kind}") for kind in yields]
        return rows + [row for row in shared if row[0]]


class MaskValues(click.ParamType):
    """Classes of pixel values of masks, "255=1,128=0", as a dictionary of numbers."""

    name = "mask values"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> dict[int, int]:
        try:
            return {int(key): int(label) for key, _, label in (pair.partition("=") for pair in value.split(","))}
        except ValueError:
            self.fail(f"{value!r} is not VALUE=CLASS,VALUE=CLASS, for instance 255=1", parameter, context)


class TableSpec(click.ParamType):
    """Value in one of the forms of a table's entries. The help lists the forms.

    Args:
        table: "module:NAME" of a mapping to entries with a method `form` that takes the entry's name, and a line of `help`.
        title: Title of the help section.
    """

    name = "value"

    def __init__(self, table: str, title: str):
        self.table, self.title = table, title

    def help_rows(self) -> list[tuple[str, str]]:
        return [(entry.form(name), entry.help) for name, entry in load_table(self.table).items()]
