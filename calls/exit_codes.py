"""How the commands of Frontdesk end. Scripts rely on these numbers."""

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit status of a ``frontdesk`` command."""

    OK = 0
    """Done. An empty list is a fine answer; warnings do not change it."""
    FAILED = 1
    """The command ran and the answer is no: problems were found, or it could not be done."""
    USAGE = 2
    """The command line makes no sense: an unknown option, a missing or ambiguous argument."""
    UNAVAILABLE = 3
    """The call store or a server cannot be reached or opened; trying again later may help."""
    NOT_FOUND = 4
    """There is no such call, business or appointment, or no recording of it."""
    INTERRUPTED = 130
    """Ended by Ctrl+C."""
