"""Parts of definitions and certificates are kept once: most experiments agree in most of them.

They would else be two thirds of what an experiment takes in a worker's memory.
"""

from functools import lru_cache
from typing import Any

import msgspec


def shared(parts: dict[str, Any]) -> dict[str, Any]:
    """Return equal parts, each the same object for all that agree in it; nobody may change them, as before."""
    return {name: _shared(part) for name, part in parts.items()}


def _shared(part: Any) -> Any:
    return _decoded(msgspec.json.encode(part)) if isinstance(part, dict | list) else part


@lru_cache(maxsize=16_384)
def _decoded(encoded: bytes) -> Any:
    return msgspec.json.decode(encoded)
