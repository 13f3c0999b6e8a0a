"""What only explains a verdict must never cost it: where the search for a small example or the diagnosis breaks, the verdict stays."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from verifier.results.report import Note

Result = TypeVar("Result")


@dataclass
class Spared:
    """Does what the verdict does not rest on; `notes` say what broke."""

    notes: list[Note] = field(default_factory=list)

    def attempt(self, check: str, what: str, act: Callable[[], Result], otherwise: Result) -> Result:
        """What `act` returns, or `otherwise` where it raises; `what` names it in the note, which is filed under the check."""
        try:
            return act()
        except Exception as error:
            kind = f"{type(error).__name__}: {str(error)[:200]}".rstrip(": ")
            text = f"{what} broke ({kind}). The verdict does not depend on it. This is a mistake in the verifier: please report it."
            self.notes.append(Note(check, text))
            return otherwise
