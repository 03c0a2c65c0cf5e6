"""Groups of verbs whose modules are imported when they are called: no verb pays for another one's imports."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

import typer
from typer import _click  # typer brings a click of its own, and gives its types no other name
from typer._click.exceptions import NoSuchOption, UsageError
from typer.core import TyperGroup

from opensmm.cli.context import refuse
from opensmm.domain.codes import OperatorRefusal

PLAIN: Final = None
"""How help is written: typer's boxes cut the names of options, and break their values, where a terminal is narrow."""

MOST_HELP: Final = 10_000

RENAMED_OPTIONS: Final = {"--sign": "--accept-risk"}
"""Options that had another name before. The old spelling is refused, and the refusal says the new one."""


class VerbGroup(TyperGroup):
    def invoke(self, ctx: _click.Context) -> Any:
        """Runs a verb; reports a value that was refused before any database was opened."""
        try:
            return super().invoke(ctx)
        except NoSuchOption as unknown:
            raise _renamed(unknown) or unknown from None
        except OperatorRefusal as refused:
            refuse(refused)

    def format_commands(self, ctx: _click.Context, formatter: _click.HelpFormatter) -> None:
        """Writes each verb's first sentence whole: click cuts it where the line ends."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        lines = [(name, one.get_short_help_str(MOST_HELP)) for name, one in commands if one and not one.hidden]
        if lines:
            with formatter.section("Commands"):
                formatter.write_dl(lines)


def _renamed(unknown: NoSuchOption) -> UsageError | None:
    """Names the new option if the verb has one in place of the unknown option."""
    new = RENAMED_OPTIONS.get(unknown.option_name)
    if new is None or unknown.ctx is None:
        return None
    options = [option for parameter in unknown.ctx.command.params for option in parameter.opts]
    return UsageError(f"The option {unknown.option_name} is called {new} now.", unknown.ctx) if new in options else None


def lazy_group(verbs: Mapping[str, str]) -> type[VerbGroup]:
    """A class for ``Typer(cls=...)`` with further ``verbs``: a name, and the "module:attribute" that answers to it.

    The attribute is a function, or a Typer for a group.
    """

    class LazyGroup(VerbGroup):
        def list_commands(self, ctx: _click.Context) -> list[str]:
            return [*super().list_commands(ctx), *verbs]

        def get_command(self, ctx: _click.Context, name: str) -> _click.Command | None:
            if name in verbs and name not in self.commands:
                self.commands[name] = _load(name, verbs[name])
            return super().get_command(ctx, name)

    return LazyGroup


def _load(name: str, place: str) -> _click.Command:
    module, attribute = place.split(":")
    found: Any = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        found.rich_markup_mode = PLAIN
        if not isinstance(found.info.cls, type):
            found.info.cls = VerbGroup
        command: _click.Command = typer.main.get_group(found)
    else:
        single = typer.Typer(add_completion=False, rich_markup_mode=PLAIN)
        single.command(name)(found)
        command = typer.main.get_command(single)
    command.name = name
    return command
