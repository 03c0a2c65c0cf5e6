"""Groups of verbs whose modules are imported when they are called: no verb pays for another one's imports."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import typer
from typer import _click  # typer brings a click of its own, and gives its types no other name
from typer.core import TyperGroup


def lazy_group(verbs: Mapping[str, str]) -> type[TyperGroup]:
    """A class for ``Typer(cls=...)`` with further ``verbs``: a name, and the "module:attribute" that answers to it.

    The attribute is a function, or a Typer for a group.
    """

    class LazyGroup(TyperGroup):
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
        command: _click.Command = typer.main.get_group(found)
    else:
        single = typer.Typer(add_completion=False)
        single.command(name)(found)
        command = typer.main.get_command(single)
    command.name = name
    return command
