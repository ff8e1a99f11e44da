"""Errors that are meant for people: what was found where, what was expected, what to do."""


class UserError(Exception):
    """A problem the user can mend; the command line prints it without a traceback, exit status 2."""
