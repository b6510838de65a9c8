"""``amifusion`` and ``python -m AMIFusionLib.cli``."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Annotated

try:
    import typer
except ModuleNotFoundError:
    # In Slicer's own Python all else is there, and its packages must stay as they are.
    raise SystemExit(
        "amifusion: the package typer is missing. Run: pip install typer (in Slicer: PythonSlicer -m pip install typer)"
    ) from None

from AMIFusionLib import __version__

from .align import align
from .attack import attack
from .average import average
from .batch import batch
from .demo import demo
from .evaluate import evaluate
from .exit_codes import DONE, EXIT_CODES
from .fuse import fuse
from .license import license_commands
from .model import model_commands
from .phantom import phantom
from .publisher import publisher_commands
from .report import Commands
from .train import train


def _show_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"amifusion {__version__}")
        raise typer.Exit(DONE)


application = typer.Typer(
    name="amifusion",
    cls=Commands,
    help="Authorizable fusion of medical images.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    # Rich tracebacks print local variables, and some of those are keys.
    pretty_exceptions_enable=False,
)


@application.callback()
def _amifusion(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """Take the options before a command's name."""


application.command(epilog=EXIT_CODES)(fuse)
application.command(epilog=EXIT_CODES)(batch)
application.command(epilog=EXIT_CODES)(align)
application.command(epilog=EXIT_CODES)(phantom)
application.add_typer(publisher_commands, name="publisher")
application.add_typer(license_commands, name="license")
application.add_typer(model_commands, name="model")
application.command()(train)
application.command()(average)
application.command()(evaluate)
application.command()(demo)
application.command()(attack)


def main() -> None:
    """Run the command line."""
    _end_in_order()
    # However it was started: a module's name is no command that a shell could complete.
    application(prog_name="amifusion")


def _end_in_order() -> None:
    """Let requests to end, as batch systems and closed terminals send them, stop the command as control-C does.

    By default they end the process where it stands, and half-written images of patients would be left.
    """
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        # Who ignores one, as nohup does, means the commands that it starts too.
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _stop)


def _stop(number: int, frame: FrameType | None) -> None:
    # A second request must not end the clearing up that the first one begins.
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
