"""Click classes of the command line: commands that are imported when needed, help in sections, choices from tables."""

import functools
import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import click

CONTEXT_SETTINGS = {"help_option_names": ["-h", "--help"], "show_default": True, "max_content_width": 110}


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


class Option(click.Option):
    """Option in a section of the help.

    Args:
        section: Title of the section.
        group: Argument of the command that receives the options of this group as one dictionary. Options that were not
            given are missing there.
    """

    def __init__(self, *args: Any, section: str = "Options", group: str = "", **kwargs: Any):
        if group:
            kwargs |= {"callback": self._add_to_group, "expose_value": False}
        super().__init__(*args, **kwargs)
        self.section, self.group = section, group

    def _add_to_group(self, context: click.Context, _: click.Parameter, value: Any) -> None:
        values = context.params.setdefault(self.group, {})
        if value is not None and value != ():
            values[self.name] = value


class Argument(click.Argument):
    """Argument with a line in the help."""

    section = "Arguments"

    def __init__(self, *args: Any, help: str, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.help_text = help  # click 8.5 has an attribute `help`, older versions do not

    def get_help_record(self, context: click.Context) -> tuple[str, str]:
        return self.human_readable_name, self.help_text


class Command(click.Command):
    """Command whose help shows its arguments and options in sections."""

    def format_arguments(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Leave the arguments to `format_options`."""

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        parameters = self.get_params(context)
        for parameter in parameters:
            if record := parameter.get_help_record(context):
                sections.setdefault(getattr(parameter, "section", "Options"), []).append(record)
        for kind in (parameter.type for parameter in parameters):
            if title := getattr(kind, "title", ""):
                sections[title] = kind.help_rows()  # type: ignore[attr-defined]
        write_sections(formatter, sections)


class LazyGroup(click.Group):
    """Group of commands that are imported when they are called or listed.

    Args:
        sections: Title of a help section -> command -> module of this package. The module defines the command `a-b` as
            `run_a_b`.
    """

    def __init__(self, *args: Any, sections: Mapping[str, Mapping[str, str]], **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.sections = sections

    def list_commands(self, context: click.Context) -> list[str]:
        return [name for modules in self.sections.values() for name in modules]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        module = next((modules[name] for modules in self.sections.values() if name in modules), None)
        if module is None:
            return None
        return getattr(importlib.import_module(f"{__package__}.{module}"), f"run_{name.replace('-', '_')}")

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        commands = {name: self.get_command(context, name) for name in self.list_commands(context)}
        help_texts = {name: each.get_short_help_str(limit=200) for name, each in commands.items() if each}
        write_sections(formatter, {t: [(n, help_texts[n]) for n in names] for t, names in self.sections.items()})
        click.Command.format_options(self, context, formatter)


def write_sections(formatter: click.HelpFormatter, sections: Mapping[str, Sequence[tuple[str, str]]]) -> None:
    """Write definition lists with their titles, without the empty ones."""
    for title, records in sections.items():
        if records:
            with formatter.section(title):
                formatter.write_dl(records)


command = functools.partial(click.command, cls=Command, context_settings=CONTEXT_SETTINGS)
option = functools.partial(click.option, cls=Option)
argument = functools.partial(click.argument, cls=Argument)
