"""Click classes of the command line: commands that are imported when needed, help in sections, choices from tables."""

import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

CONTEXT_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class Choices(click.Choice):
    """Choice among the names of a table in the library. The table is loaded when a value or the help needs it.

    Args:
        load_table: Function that returns name -> entry. The help of an entry is its attribute `help`.
        extra: Names that stand beside the table's.
    """

    def __init__(self, load_table: Callable[[], Mapping[str, Any]], extra: Sequence[str] = ()):
        self.load_table, self.extra = load_table, tuple(extra)
        self.case_sensitive = True

    @property
    def choices(self) -> tuple[str, ...]:  # type: ignore[override]
        return (*self.extra, *self.load_table())


class Option(click.Option):
    """Option in a section of the help.

    Args:
        section: Title of the section.
        group: Argument of the command that receives the options of this group as one dictionary. Options that were not
            given are missing there.
        rows: Title of a further section and a function that returns its rows (name, help).
    """

    def __init__(
        self, *args: Any, section: str = "Options", group: str = "",
        rows: tuple[str, Callable[[], list[tuple[str, str]]]] | None = None, **kwargs: Any,
    ):  # fmt: skip
        if group:
            kwargs |= {"callback": self._add_to_group, "expose_value": False}
        super().__init__(*args, **kwargs)
        self.section, self.group, self.rows = section, group, rows

    def _add_to_group(self, context: click.Context, _: click.Parameter, value: Any) -> None:
        values = context.params.setdefault(self.group, {})
        if value is not None and value != ():
            values[self.name] = value


class Argument(click.Argument):
    """Argument with a line in the help."""

    section = "Arguments"

    def __init__(self, *args: Any, help: str, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.help_text = help

    def get_help_record(self, context: click.Context) -> tuple[str, str]:
        return self.human_readable_name, self.help_text


class Command(click.Command):
    """Command whose help shows its arguments and options in sections."""

    def format_arguments(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Leave the arguments to `format_options`: click before 8.5 does not show them, click 8.5 does."""

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        parameters = self.get_params(context)
        for parameter in parameters:
            if record := parameter.get_help_record(context):
                sections.setdefault(getattr(parameter, "section", "Options"), []).append(record)
        for title, load_rows in filter(None, (getattr(p, "rows", None) for p in parameters)):
            sections[title] = load_rows()
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
        self.format_commands(context, formatter)
        Command.format_options(self, context, formatter)  # type: ignore[arg-type]

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        write_sections(formatter, {
            title: [(name, self.get_command(context, name).get_short_help_str(limit=200)) for name in modules]  # type: ignore[union-attr]
            for title, modules in self.sections.items()
        })  # fmt: skip


def write_sections(formatter: click.HelpFormatter, sections: Mapping[str, Sequence[tuple[str, str]]]) -> None:
    """Write definition lists with their titles; an empty list is left out."""
    for title, records in sections.items():
        if records:
            with formatter.section(title):
                formatter.write_dl(records)


def table_rows(load_table: Callable[[], Mapping[str, Any]]) -> Callable[[], list[tuple[str, str]]]:
    """Return a function that lists the names of a table with their help."""
    return lambda: [(name, entry.help) for name, entry in load_table().items()]


command = functools.partial(click.command, cls=Command, context_settings=CONTEXT_SETTINGS)
option = functools.partial(click.option, cls=Option)
argument = functools.partial(click.argument, cls=Argument)
