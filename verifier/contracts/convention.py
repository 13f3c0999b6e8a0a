"""A deliberate difference from the plain mathematics, as one key of a manifest and its value."""

from dataclasses import dataclass, replace
from typing import Any

Value = float | tuple[float, float]


@dataclass(frozen=True)
class Convention:
    """One convention that explains what was seen.

    Attributes:
        key, value: the manifest line that declares it.
        gradient_too: whether the gradient is that of the loss with the convention; else it is that of the plain loss.
        declared: whether the manifest declares it already (then the gradient is that of the plain loss).
    """

    key: str
    value: Value
    gradient_too: bool
    declared: bool = False

    def assumed(self, claims: Any) -> Any:
        """The claims under which what failed is right: with the convention, or without one that is declared and not differentiated."""
        return with_convention(claims, self.key, None if self.declared else self.value)

    def of_the_loss(self, claims: Any) -> Any:
        """The claims that the loss obeys."""
        return with_convention(claims, self.key, self.value)

    @property
    def manifest_line(self) -> str:
        """The line of a manifest that declares it."""
        value = list(self.value) if isinstance(self.value, tuple) else self.value
        return f"{self.key} = {value!r}"


def with_convention(claims: Any, key: str, value: Value | None) -> Any:
    """The claims with another value of one key."""
    return replace(claims, **{key: value})
