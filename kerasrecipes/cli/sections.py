"""Click classes of the command line: commands that are imported when needed, help in sections with examples."""

import difflib
import functools
import importlib
import os
from collections.abc import Mapping, Sequence
from typing import Any

import click

from kerasrecipes.cli.examples import EXAMPLES

CONTEXT_SETTINGS = {"help_option_names": ["-h", "--help"], "show_default": True, "max_content_width": 110}


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
    """Command whose help shows its arguments, options and examples in sections.

    Args:
        model: How a model is named. "argument": the first argument is the model, and `--recipe NAME` is the same. "option":
            `--recipe NAME` is, and a first argument that names one is the same. Default: the command takes none.
    """

    def __init__(self, *args: Any, model: str = "", **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.model = model
        if model == "argument":
            help = "The same as the first argument."
            self.params.append(Option(["--recipe", "model_name"], metavar="NAME", help=help, expose_value=False))

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        if self.model == "argument":
            args = move_recipe_first(args)
        elif self.model == "option" and args and not any(word.startswith("--recipe") for word in args) and names_model(args[0]):
            args = ["--recipe", *args]
        return super().parse_args(context, args)

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

    def format_epilog(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        write_examples(context, formatter)


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

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the first word names. An unknown one fails with the closest names."""
        if args and self.get_command(context, args[0]) is None and not args[0].startswith("-"):
            close = difflib.get_close_matches(args[0], self.list_commands(context))
            hint = f" Did you mean {' or '.join(close)}?" if close else ""
            context.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(context, args)

    def format_epilog(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        write_examples(context, formatter)

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        commands = {name: self.get_command(context, name) for name in self.list_commands(context)}
        help_texts = {name: each.get_short_help_str(limit=200) for name, each in commands.items() if each}
        write_sections(formatter, {t: [(n, help_texts[n]) for n in names] for t, names in self.sections.items()})
        click.Command.format_options(self, context, formatter)


def move_recipe_first(args: list[str]) -> list[str]:
    """Return the words of a command with the value of `--recipe` as the first one."""
    for i, word in enumerate(args):
        if word == "--":
            break
        if word == "--recipe" and i + 1 < len(args):
            return [args[i + 1], *args[:i], *args[i + 2 :]]
        if word.startswith("--recipe="):
            return [word.removeprefix("--recipe="), *args[:i], *args[i + 1 :]]
    return args


def names_model(word: str) -> bool:
    """Return True if a word names a recipe, a public checkpoint, a hub reference, a model's file or a training run."""
    from kerasrecipes import registry
    from kerasrecipes.tasks.public_models import find_public_checkpoint
    from kerasrecipes.tasks.saved_models import is_saved_model

    if word.startswith("-"):
        return False
    if word.startswith("hf://") or word.endswith(".onnx") or word in registry.all_recipes():
        return True
    return is_saved_model(word) or find_public_checkpoint(word) is not None


def write_examples(context: click.Context, formatter: click.HelpFormatter) -> None:
    """Write the examples of a command, one a line, and what each does."""
    path = context.command_path.partition(" ")[2]
    if rows := EXAMPLES.get(path):
        with formatter.section(heading("Examples")):
            for line, text in rows:
                note = f"# {text}" if os.environ.get("NO_COLOR") else click.style(f"# {text}", dim=True)
                formatter.write(f"{'':{formatter.current_indent}}kerasrecipes {line}  {note}\n")


def heading(title: str) -> str:
    """Return the title of a section in bold, which click prints plainly where the output is no terminal."""
    return title if os.environ.get("NO_COLOR") else click.style(title, bold=True)


def write_sections(formatter: click.HelpFormatter, sections: Mapping[str, Sequence[tuple[str, str]]]) -> None:
    """Write definition lists with their titles, without the empty ones."""
    for title, records in sections.items():
        if records:
            with formatter.section(heading(title)):
                formatter.write_dl(records)


command = functools.partial(click.command, cls=Command, context_settings=CONTEXT_SETTINGS)
option = functools.partial(click.option, cls=Option)
argument = functools.partial(click.argument, cls=Argument)
