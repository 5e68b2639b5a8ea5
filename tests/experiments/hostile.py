"""What nobody should send to the manager, by hand and at random: definitions, commands, bytes."""

import json
import random
from typing import Any

from schemas import events
from tests.experiments.story import definition

_NESTED: Any = json.loads("[" * 400 + "]" * 400)

#: What no field is meant to hold.
HOSTILE: tuple[Any, ...] = (
    None, True, -1, 0, 2**31, 2**53 + 1, 2**63, -(2**63), 2**64, 10**300, 5e-324, -1e308, 1e308, 1e16, 0.1 + 2e-16,
    "", " ", "\x00", "\x1b[2J", "\u202egnp.exe", "\ufeff", "Ω" * 5_000, "😀" * 3_000, "\\" * 5_000, '"' * 5_000,
    "../../etc/passwd", "=cmd|' /C calc'!A0", "'; DROP TABLE runs; --", "${jndi:ldap://x}", "{0.__class__}", "%s%n",
    "9" * 5_000 + "d", "1s" * 5_000, "1" * 5_000, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00",
    "2026-02-30T00:00:00Z", "*/0 * * * *", "0 0 31 2 *", "* * * * * * *", "nan", "Infinity",
    [], [[]], ["x"] * 5_000, [None], {}, {"": {}}, {"p": []}, {"x" * 5_000: 1}, _NESTED,
    {str(k): k for k in range(2_000)},
)  # fmt: skip

#: Bytes that no encoder of ours makes.
RAW: tuple[bytes, ...] = (
    b"", b"{", b"{}", b"[]", b"null", b"\x00", b"\x00\x00\x00\x00\x07", b"\xc3\x01", b"\xc3\x01" + bytes(500),
    b"\xff" * 500,
    b'{"type":', b'{"type":"stop"', b'{"type":["stop"]}', b"[" * 500_000, b'{"type":' * 100_000, b'{"a":NaN}',
    b'{"type":"stop","id":"a","experiment_id":"rng-bias","reason":NaN}', b'{"type":"stop","type":"run"}',
    b'{"type":"stop","id":"\\ud800","experiment_id":"rng-bias"}', b'{"type":"stop","id":"a","experiment_id":"\xff"}',
    b'{"type":"run","id":"a","experiment_id":"rng-bias","experiment":{"title":1e999}}',
    b'{"type":"run","id":"a","experiment_id":"rng-bias","experiment":' + b'{"a":' * 300 + b"1" + b"}" * 301,
)  # fmt: skip

_PATHS = (
    "id", "title", "owner", "tags", "question", "blinded", "model", "model.family", "model.h0", "model.h0.p",
    "model.h1.p", "model.alternative", "errors", "errors.alpha", "errors.beta", "errors.thresholds", "stop",
    "stop.boundaries", "stop.p_value", "stop.max_samples", "stop.min_samples", "stop.at_limit",
    "stop.max_duration", "stop.stall_timeout", "schedule", "schedule.start_at", "schedule.cron",
    "schedule.every", "schedule.timezone", "schedule.max_runs", "schedule.until", "schedule.misfire",
    "schedule.overlap", "schedule.queue", "schedule.priority", "retry", "retry.max_attempts", "retry.backoff",
    "retry.backoff_factor", "retry.on", "source", "source.kind", "source.rate", "source.seed", "health",
    "health.gaps", "export", "export.formats", "unheard_of", "model.unheard_of",
)  # fmt: skip
_COMMANDS = tuple(str(kind.__struct_config__.tag) for kind in events.COMMANDS)
_FIELDS = ("type", "id", "experiment_id", "actor", "reason", "expected_version", "expires_at", "source",
           "last_sequence", "message", "experiment", "unheard_of")  # fmt: skip


def _put(into: dict[str, Any], path: list[str], value: Any) -> None:
    for step in path[:-1]:
        inner = into.get(step)
        into[step] = dict(inner) if isinstance(inner, dict) else {}
        into = into[step]
    into[path[-1]] = value


def hostile_definition(rng: random.Random) -> bytes:
    given = definition(
        source=rng.choice([{"kind": "entropy"}, {"kind": "simulate", "theta": 0.5}, {"kind": "external"}])
    )
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        _put(given, rng.choice(_PATHS).split("."), rng.choice(HOSTILE))
    kind = rng.choice(["define", "run"])
    return json.dumps({"type": kind, "id": "a", "experiment_id": "rng-bias", "experiment": given}).encode()


def hostile_command(rng: random.Random) -> bytes:
    command: dict[str, Any] = {"type": rng.choice(_COMMANDS), "id": f"c{rng.random()}", "experiment_id": "rng-bias"}
    if command["type"] in {"source_done", "source_failed"}:
        command |= {"source": "s", "last_sequence": 7} if command["type"] == "source_done" else {"message": "broken"}
    for _ in range(rng.choice([1, 1, 2, 4])):
        command[rng.choice(_FIELDS)] = rng.choice(HOSTILE)
    return json.dumps(command).encode()


def hostile_bytes(rng: random.Random) -> bytes:
    whole = bytearray(rng.choice([hostile_command, hostile_definition])(rng))
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(whole))
        change = rng.choice([b"", rng.randbytes(3), b"}", b'"', b"\\u0000"])
        whole[at : at + rng.randint(0, 4)] = change
    return bytes(whole)
