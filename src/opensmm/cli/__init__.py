"""The command line: one verb a function. ``opensmm --help`` is where to begin."""

import sys
from typing import Final

import typer

from opensmm.cli import bench, books, customers, demo, serving
from opensmm.cli.books import order_verbs
from opensmm.cli.customers import customer_verbs, key_verbs
from opensmm.cli.frame import EXIT_CODES
from opensmm.cli.services import service_verbs

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
app.add_typer(customer_verbs, name="customer")
app.add_typer(key_verbs, name="key")
app.add_typer(service_verbs, name="service")
app.command("topup")(customers.top_up)
app.add_typer(order_verbs, name="orders")
app.command("bench")(bench.bench)


def main() -> None:
    sys.exit(app())
