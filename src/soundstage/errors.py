"""The one exception that is written for the user."""


class UserError(Exception):
    """A foreseeable mistake or bad input: printed as one screen without a traceback, exit code 2.

    what: what was expected and what was found; where: the file, clip or key; fix: what to do.
    """

    def __init__(self, what, where=None, fix=None):
        super().__init__(what)
        self.what = str(what)
        self.where = None if where is None else str(where)
        self.fix = fix

    def __str__(self):
        lines = [self.what]
        if self.where is not None:
            lines.append(f"  where: {self.where}")
        if self.fix:
            lines.append(f"  what to do: {self.fix}")
        return "\n".join(lines)

    def __reduce__(self):
        """Survive the trip between worker processes with all three parts."""
        return type(self), (self.what, self.where, self.fix)
