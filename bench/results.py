"""Keeps `bench/RESULTS.md`: each benchmark writes its own section there, and leaves the others alone."""

from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).parent / "RESULTS.md"


def write_section(title: str, body: str, file: Path = FILE) -> None:
    """Write the section with this title, in place of the one of that title, or at the end."""
    head, *sections = file.read_text(encoding="utf-8").split("\n## ")
    kept = {section.split("\n", 1)[0]: section.rstrip() for section in sections}
    kept[title] = f"{title}\n\n{body.strip()}"
    file.write_text("\n\n## ".join([head.rstrip(), *kept.values()]) + "\n", encoding="utf-8")
