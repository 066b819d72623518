"""How a command is ended from outside."""


class Terminated(KeyboardInterrupt):
    """The signal SIGTERM, by which a cluster or a shutdown ends a process: an interrupt of another status."""
