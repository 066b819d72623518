"""How a command is ended from outside."""


class Terminated(BaseException):
    """The signal SIGTERM, by which a cluster or a shutdown ends a process."""
