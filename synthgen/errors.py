"""The two ways a run ends early that are not our fault.

raise UserError("count: 0 is too small; ask for at least 1 row")
"""


class UserError(Exception):
    """A mistake the user can mend, told in one sentence that names the field, the value and the fix. Exit code 2."""


class Interrupted(Exception):
    """The user pressed Ctrl-C; what is finished is on disk and `run` goes on from there. Exit code 130."""
