"""Errors for people: their messages say what was found where, what was expected, and what to do."""


class UserError(Exception):
    """A problem that the user can solve; the command line prints it without a traceback, exit status 2."""


class ArgumentError(UserError, ValueError):
    """A wrong argument to a function that people import into their own code, where it is an ordinary ValueError."""
