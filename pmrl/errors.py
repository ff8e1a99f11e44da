"""Errors that are meant for people: what was found where, what was expected, what to do."""


class UserError(Exception):
    """A problem that the user can solve; the command line prints it without a traceback, exit status 2."""


class ArgumentError(UserError, ValueError):
    """A wrong argument of a function that people import into their own code, to whom it is an ordinary ValueError."""
