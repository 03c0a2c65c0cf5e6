"""The command line: a function for each verb. Start with ``opensmm --help``."""

import os
import sys
from typing import Annotated, Final

import typer
from typer import _click

from opensmm import __version__
from opensmm.base.errors import Misconfigured
from opensmm.cli.context import EXIT_CODES, FOR_PROGRAM, MISUSED, out, print_error
from opensmm.cli.lazy import PLAIN, make_lazy_group
from opensmm.runtime.crashes import LEASH, UNAVAILABLE, UNFORESEEN, describe_machine_error, log_and_end, report_crash
from opensmm.texts.speech import ENGLISH

VERBS: Final = {
    "demo": "opensmm.cli.demo:demo",
    "serve": "opensmm.cli.serving:serve",
    "api": "opensmm.cli.serving:api",
    "worker": "opensmm.cli.serving:worker",
    "sandbox": "opensmm.cli.serving:sandbox",
    "migrate": "opensmm.cli.database:migrate",
    "verify": "opensmm.cli.database:verify",
    "health": "opensmm.cli.health:show",
    "import-services": "opensmm.cli.service_import:import_services",
    "topup": "opensmm.cli.money:top_up",
    "adjust": "opensmm.cli.money:adjust",
    "chargeback": "opensmm.cli.money:chargeback",
    "payout": "opensmm.cli.money:payout",
    "currency": "opensmm.cli.currency:currency",
    "new-pepper": "opensmm.cli.peppers:new_pepper",
    "bonus": "opensmm.cli.money:bonus",
    "credit-limit": "opensmm.cli.money:credit_limit",
    "bench": "opensmm.cli.bench:bench",
    "customer": "opensmm.cli.customers:customer_verbs",
    "key": "opensmm.cli.keys:key_verbs",
    "service": "opensmm.cli.services:service_verbs",
    "price-list": "opensmm.cli.price_lists:price_list_verbs",
    "provider": "opensmm.cli.providers:provider_verbs",
    "route": "opensmm.cli.routes:route_verbs",
    "policy": "opensmm.cli.policy:policy_verbs",
    "staff": "opensmm.cli.manual:staff_verbs",
    "orders": "opensmm.cli.orders:order_verbs",
    "audit": "opensmm.cli.audit:audit_verbs",
}
"""Place of each verb or group of verbs. Its module is imported when it is called."""

app: Final = typer.Typer(
    name="opensmm",
    cls=make_lazy_group(VERBS),
    help=f"A panel that takes orders, charges prepaid balances and sends the orders to providers.\n\n{EXIT_CODES}",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=PLAIN,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(version: bool) -> None:
    if version:
        out.print(f"opensmm {__version__}", markup=False)
        raise typer.Exit


@app.callback()
def opensmm(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, help="Print the version.", callback=_print_version)
    ] = False,
) -> None:
    """Has the options that stand before a verb."""


def main() -> None:
    """Runs the verb that was typed, and exits with its code. Every error is one sentence, or an object with --json."""
    supervised = LEASH in os.environ
    FOR_PROGRAM.set("--json" in sys.argv[1:])
    try:
        sys.exit(app(standalone_mode=not FOR_PROGRAM.get()))
    except _click.ClickException as error:
        print_error(error.format_message(), MISUSED)
        sys.exit(error.exit_code)
    except Misconfigured as error:
        print_error(ENGLISH.fault(error), UNAVAILABLE, error.code.value, error.fields)
        sys.exit(UNAVAILABLE)
    except Exception as error:
        if supervised:
            log_and_end(error)
        if isinstance(error, OSError) and (lack := describe_machine_error(error)):
            print_error(lack, UNAVAILABLE)
            sys.exit(UNAVAILABLE)
        print_error(report_crash(error), UNFORESEEN)
        sys.exit(UNFORESEEN)
