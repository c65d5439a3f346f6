"""Keeps her from edits that could not be saved. No Qt."""

from __future__ import annotations

from psygnal import Signal


class Lock:
    """Why nothing may be edited, where it is so.

    Signals
    -------
    changed
        It was closed or opened.
    refused(str)
        She wanted to edit something; the sentence tells why she cannot.
    """

    changed = Signal()
    refused = Signal(str)

    def __init__(self) -> None:
        #: Why; None where she may edit.
        self.reason: str | None = None

    @property
    def sentence(self) -> str | None:
        """Say that she may only look, and why; None where she may edit."""
        if self.reason is None:
            return None
        return f"Only to look at: {self.reason[:1].lower()}{self.reason[1:].rstrip('.')}."

    def set(self, reason: str | None) -> None:
        """Close the lock for a reason; None opens it."""
        if reason != self.reason:
            self.reason = reason
            self.changed.emit()

    def refuses(self) -> bool:
        """Whether an edit that she wants now is refused; she is told why."""
        if (sentence := self.sentence) is not None:
            self.refused.emit(sentence)
        return self.reason is not None
