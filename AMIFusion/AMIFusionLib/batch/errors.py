"""What can be wrong with a batch as a whole, each with a sentence that says what to do."""

from __future__ import annotations


class BatchError(ValueError):
    """A batch that cannot run."""


class PairsError(BatchError):
    """A table of pairs that cannot be read as it is; the message names the rows."""


class ClusterError(BatchError):
    """No workers, or none left."""
