"""The command line: one verb a function. ``opensmm --help`` is where to begin."""

import sys
from typing import Annotated, Final

import typer

from opensmm import __version__
from opensmm.base.faults import Misconfigured
from opensmm.cli import bench, books, customers, demo, health, importing, interventions, serving
from opensmm.cli.books import order_verbs
from opensmm.cli.customers import customer_verbs, key_verbs
from opensmm.cli.delivery import deliver
from opensmm.cli.frame import EXIT_CODES, UNAVAILABLE, err, out
from opensmm.cli.policy import policy_verbs
from opensmm.cli.price_lists import price_list_verbs
from opensmm.cli.providers import provider_verbs
from opensmm.cli.refills import refill
from opensmm.cli.routes import route_verbs
from opensmm.cli.services import service_verbs
from opensmm.cli.staff import staff_verbs
from opensmm.cli.sync import below_cost_verbs, follow, quarantine_verbs, sync_now

app: Final = typer.Typer(
    name="opensmm",
    help=f"A panel that takes orders, charges prepaid balances and has providers fulfil them.\n\n{EXIT_CODES}",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)
app.command("serve")(serving.serve)
app.command("api")(serving.api)
app.command("worker")(serving.worker)
app.command("sandbox")(serving.sandbox)
app.command("migrate")(books.migrate)
app.command("verify")(books.verify)
app.command("health")(health.show)
app.add_typer(customer_verbs, name="customer")
app.add_typer(key_verbs, name="key")
app.add_typer(service_verbs, name="service")
app.add_typer(price_list_verbs, name="price-list")
app.add_typer(provider_verbs, name="provider")
app.add_typer(route_verbs, name="route")
app.command("import-services")(importing.import_services)
provider_verbs.command("sync")(sync_now)
provider_verbs.command("follow")(follow)
service_verbs.command("deliver")(deliver)
service_verbs.command("refill")(refill)
service_verbs.add_typer(quarantine_verbs, name="quarantine")
service_verbs.add_typer(below_cost_verbs, name="below-cost")
app.add_typer(policy_verbs, name="policy")
app.add_typer(staff_verbs, name="staff")
app.command("topup")(customers.top_up)
interventions.add_to(order_verbs)
app.add_typer(order_verbs, name="orders")
app.command("bench")(bench.bench)


def _tell_version(wanted: bool) -> None:
    if wanted:
        out.print(f"opensmm {__version__}", markup=False)
        raise typer.Exit


@app.callback()
def opensmm(
    wanted: Annotated[
        bool, typer.Option("--version", is_eager=True, help="Say which version this is.", callback=_tell_version)
    ] = False,
) -> None:
    """The options before any verb."""


def main() -> None:
    try:
        sys.exit(app())
    except Misconfigured as error:
        err.print(f"opensmm: {error}", markup=False)
        sys.exit(UNAVAILABLE)
