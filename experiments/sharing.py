"""Parts of definitions and certificates are kept once: most experiments agree in most of them.

They would else be two thirds of what an experiment takes in a worker's memory.
"""

from functools import lru_cache
from typing import Any

import msgspec


def shared(part: Any) -> Any:
    """Return an equal part, the same object for all that are written alike; nobody may change it.

    JSON that is still text (`msgspec.Raw`) is read only if it is not known.
    """
    if isinstance(part, dict | list):
        return _decoded(msgspec.json.encode(part))
    if not isinstance(part, msgspec.Raw):
        return part
    encoded = bytes(part)
    return _decoded(encoded) if encoded[0] in b"{[" else msgspec.json.decode(encoded)


def shared_parts(parts: dict[str, Any]) -> dict[str, Any]:
    """Return parts of a whole that is different from others."""
    return {name: shared(part) for name, part in parts.items()}


@lru_cache(maxsize=16_384)
def _decoded(encoded: bytes) -> Any:
    return msgspec.json.decode(encoded)
