"""`manifest.json`: the SHA-256 of every file of an archive; its own SHA-256 stands for the whole archive."""

import hashlib
from pathlib import Path
from typing import Final

import msgspec

NAME: Final = "manifest.json"
FORMAT: Final = "waldstream.manifest/1"


class File(msgspec.Struct, frozen=True, kw_only=True):
    """One file: its digest in hexadecimal and its length."""

    sha256: str
    bytes: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Which files an archive has, and what it is an archive of."""

    format: str
    experiment_id: str
    run: int
    decision_id: str
    disputed: bool
    files: dict[str, File]


def listed(path: Path) -> File:
    """Return the manifest's line for a file."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256")
    return File(sha256=digest.hexdigest(), bytes=path.stat().st_size)


def encoded(manifest: Manifest) -> bytes:
    """Return the manifest as indented JSON, files in alphabetical order."""
    return msgspec.json.format(msgspec.json.encode(manifest, order="sorted"), indent=2) + b"\n"


def digest_of(data: bytes) -> str:
    """Return the digest of a manifest's bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def read(folder: Path) -> tuple[Manifest, str]:
    """Return the manifest of an archive and its digest; raises `OSError` or `msgspec.DecodeError` if there is none."""
    data = (folder / NAME).read_bytes()
    return msgspec.json.decode(data, type=Manifest), digest_of(data)
