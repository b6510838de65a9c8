"""``amifusion`` and ``python -m AMIFusionLib.cli``."""

from __future__ import annotations

try:
    import typer
except ModuleNotFoundError:
    raise SystemExit(
        "amifusion: the command line needs its extra packages: pip install 'amifusion[cli,mrml]'"
    ) from None

from .attack import attack
from .average import average
from .demo import demo
from .evaluate import evaluate
from .license import license_commands
from .model import model_commands
from .train import train

application = typer.Typer(
    name="amifusion",
    help="Authorizable fusion of medical images.",
    no_args_is_help=True,
    # Rich tracebacks print local variables, and some of those are keys.
    pretty_exceptions_enable=False,
)
application.add_typer(license_commands, name="license")
application.add_typer(model_commands, name="model")
application.command()(train)
application.command()(average)
application.command()(evaluate)
application.command()(demo)
application.command()(attack)


def main() -> None:
    """Run the command line."""
    application()


if __name__ == "__main__":
    main()
