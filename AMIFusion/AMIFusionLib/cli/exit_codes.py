"""What exit codes mean."""

DONE = 0
FAILED = 1
"""Exit code of a command that could not do its work."""

WRONG_USE = 2
"""Of a command line that cannot be understood, or names what is not there; Typer's own."""

UNLICENSED = 3
"""Of a fusion that was done without a valid license, so that its result is marked."""

INTERRUPTED = 130
"""Of a command that was stopped by control-C or a request to end; Typer's own."""

EXIT_CODES = (
    f"Exit codes: {DONE} done; {FAILED} failed, nothing was written (batch: some pairs failed); {WRONG_USE} wrong use; "
    f"{UNLICENSED} done, but without a valid license: the result is marked (only fuse and batch); "
    f"{INTERRUPTED} stopped."
)
