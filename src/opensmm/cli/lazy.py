"""Groups of verbs whose modules are imported when they are called, so that no verb waits for another's imports."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

import typer
from typer import _click  # typer brings a click of its own, and gives its types no other name
from typer._click.exceptions import NoSuchOption, UsageError
from typer.core import TyperGroup

from opensmm.cli.context import refuse
from opensmm.domain.operator_refusals import OperatorRefusal

PLAIN: Final = None
"""Help without typer's boxes, which cut the names of options and wrap their values on a narrow terminal."""

MOST_HELP: Final = 10_000
"""Characters of a verb's short help: more than any has."""

RENAMED_OPTIONS: Final = {"--sign": "--accept-risk"}
"""New names of options, by the old ones. An old name is refused, and the refusal says the new one."""


class VerbGroup(TyperGroup):
    """A group of verbs that reports refusals and renamed options, and writes help whole."""

    def invoke(self, ctx: _click.Context) -> Any:
        """Runs a verb, and reports a value that was refused before a database was opened."""
        try:
            return super().invoke(ctx)
        except NoSuchOption as unknown:
            raise _name_new_option(unknown) or unknown from None
        except OperatorRefusal as refused:
            refuse(refused)

    def format_commands(self, ctx: _click.Context, formatter: _click.HelpFormatter) -> None:
        """Writes the first sentence of each verb's help whole: click cuts it at the end of the line."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        lines = [(name, one.get_short_help_str(MOST_HELP)) for name, one in commands if one and not one.hidden]
        if lines:
            with formatter.section("Commands"):
                formatter.write_dl(lines)


def _name_new_option(unknown: NoSuchOption) -> UsageError | None:
    """Names the new option if the verb has one in place of the unknown option."""
    new = RENAMED_OPTIONS.get(unknown.option_name)
    if new is None or unknown.ctx is None:
        return None
    options = [option for parameter in unknown.ctx.command.params for option in parameter.opts]
    return UsageError(f"The option {unknown.option_name} is called {new} now.", unknown.ctx) if new in options else None


def make_lazy_group(verbs: Mapping[str, str]) -> type[VerbGroup]:
    """Returns a class for ``Typer(cls=...)`` that imports ``verbs`` on use: "module:attribute" by the verb's name.

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
    verbs: Any = getattr(import_module(module), attribute)
    if isinstance(verbs, typer.Typer):
        verbs.rich_markup_mode = PLAIN
        if not isinstance(verbs.info.cls, type):
            verbs.info.cls = VerbGroup
        command: _click.Command = typer.main.get_group(verbs)
    else:
        single = typer.Typer(add_completion=False, rich_markup_mode=PLAIN)
        single.command(name)(verbs)
        command = typer.main.get_command(single)
    command.name = name
    return command
