"""The health of a run: what was counted beside the applied observations, and what the checks said."""

from typing import Any, Final

from console import numbers
from console.documents import RunDocument
from console.pages.shell import tag
from experiments.health import TITLES

_LEFT_OUT: Final = {
    "duplicate": "dropped as duplicates",
    "while_paused": "came while paused",
    "after_stop": "came after the end",
    "before_start": "came before the start",
    "rejected": "rejected",
}


class HealthCard:
    """The card of the checks; what is not known is left out."""

    def __init__(self) -> None:
        self._shown: object = None
        with tag("section", "card", aria_label="Health") as self._card:
            with tag("div", "head"):
                tag("h2", text="Health")
                tag("span", "note", "what was known at the decision; nothing is ever purged")
            self._body = tag("div", "figures")
        self._card.set_visibility(False)

    def show(self, run: RunDocument, decision: dict[str, Any] | None) -> None:
        """Show the checks of the decision."""
        checks: dict[str, Any] = (decision or {}).get("health") or {}
        counts: dict[str, int] = (decision or {}).get("counts") or {}
        if (checks, counts, run.is_held) == self._shown:
            return
        self._shown = (checks, counts, run.is_held)
        left_out = [f"{numbers.count(counts[name])} {words}" for name, words in _LEFT_OUT.items() if counts.get(name)]
        self._card.set_visibility(bool(checks or left_out))
        self._body.clear()
        with self._body:
            for name, check in checks.items():
                passed = bool(check.get("passed"))
                with tag("div", "figure"):
                    with tag("div", "row"):
                        tag("span", "label", TITLES.get(name, name))
                        with tag("span", f"chip {'live' if passed else 'bad'}"):
                            tag("span", "glyph", "✓" if passed else "!", aria_hidden="true")
                            tag("span", text="passed" if passed else "failed")
                    tag("div", "note", str(check.get("words", "")))
            if left_out:
                with tag("div", "figure"):
                    with tag("div", "row"):
                        tag("span", "label", "Left out of the walk")
                    tag("div", "note", ", ".join(left_out))
