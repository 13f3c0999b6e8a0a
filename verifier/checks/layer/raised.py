"""What a layer raised, and what that means: not written yet, called otherwise than it is defined, not there."""

import re

from verifier.candidates.outdated import advice_on_old_code

NO_ATTRIBUTE = re.compile(r"'[^']*' object has no attribute '(\w+)'.*")


class Raised(Exception):
    """The candidate raised, or gave what cannot be taken; `phase` says in which statements, `kind` is the exception's type or "".

    `own`: whether it was raised in the candidate's own code; `unwritten`: whether what raised is not filled in yet.
    """

    def __init__(self, text: str, phase: str, kind: str = "", *, own: bool = False, unwritten: bool = False) -> None:
        super().__init__(text)
        self.phase, self.kind, self.own, self.unwritten = phase, kind, own, unwritten


def is_not_written(raised: Raised) -> bool:
    """A function that is `pass`, or returns None, or says that it is not implemented; a method that is not there, or a gap in one."""
    of_none = raised.kind == "TypeError" and not raised.own and "NoneType" in str(raised)
    return raised.unwritten or of_none or raised.kind in ("NotImplementedError", "NoOutput")


def is_called_wrongly(raised: Raised) -> bool:
    """Whether the manifest's call has other arguments than the candidate's function takes."""
    return raised.kind == "TypeError" and not raised.own and "argument" in str(raised)


def is_old(raised: Raised) -> bool:
    """Whether the candidate uses a name that another Python or NumPy has: it cannot be asked, which says nothing of its gradients."""
    return raised.own and raised.kind in ("AttributeError", "NameError") and bool(advice_on_old_code(raised.kind, str(raised)))


def is_missing(raised: Raised | None) -> bool:
    """Whether a name of the manifest's statements is not defined in the candidate's file."""
    return raised is not None and raised.kind == "NameError" and not raised.own
