"""The exception for the signal that ends a command."""


class Terminated(KeyboardInterrupt):
    """The signal SIGTERM, with which a cluster or a shutdown ends a process. Its exit status is not that of Ctrl-C."""
