"""Which commands a page offers in which state, and what is said before one is sent."""

from typing import Any, Final

from schemas import events

COMMANDS: Final[dict[str, dict[str, Any]]] = {
    "start": {
        "verb": "Start",
        "title": "Start a run?",
        "effect": "A new run opens. Observations from now on are applied, in the order in which they arrive.",
    },
    "pause": {
        "verb": "Pause",
        "title": "Pause this run?",
        "effect": "Observations that arrive while it is paused are counted but left out of the walk, for good.",
        "needs_reason": True,
    },
    "resume": {
        "verb": "Resume",
        "title": "Resume this run?",
        "effect": "Observations from now on are applied again; the time limit moves by the length of the pause.",
    },
    "stop": {
        "verb": "Stop the run",
        "title": "Stop this run?",
        "effect": "The run ends inconclusive, for good: a test stopped by hand accepts neither hypothesis.",
        "needs_reason": True,
        "is_final": True,
    },
    "release": {
        "verb": "Release",
        "title": "Release the verdict?",
        "effect": "The verdict that was withheld is published, as it was reached.",
        "needs_reason": True,
    },
    "unblind": {
        "verb": "Unblind",
        "title": "Unblind this run?",
        "effect": "From now on everybody sees the walk before its decision. The history keeps that.",
        "needs_reason": True,
    },
    "archive": {
        "verb": "Archive",
        "title": "Write the archive again?",
        "effect": "The newest run's archive is written if it is missing; one that stands is left as it is.",
    },
    "cancel": {
        "verb": "Cancel",
        "title": "Cancel this experiment?",
        "effect": "The run that waits is given up, and the experiment takes no further runs.",
        "needs_reason": True,
        "is_final": True,
    },
}
ALLOWED: Final = {
    "DEFINED": ("start",),
    "RUNNING": ("pause", "stop"),
    "PAUSED": ("resume", "stop"),
    "QUEUED": ("cancel",),
    "HELD": ("release", "stop"),
    "DECIDED": ("start", "archive"),
    "ARCHIVED": ("start",),
}
#: What is said where a verdict would stand, while there is none.
SAID: Final = {
    "PAUSED": ("Paused: observations are counted, but left out of the walk until it is resumed.", ""),
    "HELD": (
        "The verdict is withheld.",
        "A boundary was reached while a check failed, or somebody held the run; later observations do not count.",
    ),
    "QUEUED": ("Waiting for a slot.", "It starts by itself as soon as a run before it in its queue has ended."),
}
KINDS: Final[dict[str, type[events.Command]]] = {
    "start": events.Start,
    "pause": events.Pause,
    "resume": events.Resume,
    "stop": events.Stop,
    "release": events.Release,
    "cancel": events.Cancel,
    "unblind": events.Unblind,
    "archive": events.Archive,
}
