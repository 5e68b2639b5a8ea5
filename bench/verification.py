"""Writes the page that sets every published number beside ours.

Run as `python -m bench.verification`; with `--check` it compares only.
"""

import argparse
import json
import math
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any, Final

import numpy as np

import sprt
from bench import recompute
from bench.recompute import RECOMPUTED
from sprt import Design

ROOT: Final = Path(__file__).parent.parent
ANCHORS: Final = ROOT / "tests" / "anchors"
PAGE: Final = ROOT / "docs" / "06-verification.md"

HEAD: Final = """# 6 Verification

Every number below was published, printed by another package, or computed independently, and is computed again here
through the public functions of `sprt`. "Published" is the value to the digits we have; where a source prints fewer, the
more precise value agrees with it to the printed digits. The page is written by `python -m bench.verification`; the test
suite compares every row at the tolerance of its file in `tests/anchors/` ({rows} rows, {values} numbers; the largest
difference is {share:.0%} of what its row allows). Differences show the last digits of the machine that wrote the page.

"""


def public_functions() -> dict[CodeType, str]:
    """Return the code of every function of `sprt` that the rows call, and the name it is called by."""
    found = {Design.__post_init__.__code__: "Design"}
    for name, value in {**vars(recompute), **vars(sprt)}.items():
        if isinstance(value, FunctionType) and value.__module__.startswith("sprt."):
            found[value.__code__] = name if name in sprt.__all__ else f"{value.__module__.removeprefix('sprt.')}.{name}"
    return found


def calls(work: Callable[[], object]) -> list[str]:
    """Return the functions of `sprt` that some work calls itself, the making of a design included."""
    known = public_functions()
    seen: dict[str, None] = {}

    def note(frame: FrameType, event: str, _: object) -> None:
        if event != "call" or frame.f_code not in known:
            return
        caller = frame.f_back
        while caller is not None and caller.f_code.co_filename == "<string>":  # a dataclass's own __init__
            caller = caller.f_back
        if caller is not None and caller.f_code.co_filename == recompute.__file__:
            seen[known[frame.f_code]] = None

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return list(seen)


def numbers(value: object) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return a value, or a list with gaps, as floats."""
    flat = np.atleast_1d(np.asarray(value, dtype=object))
    return np.array([math.nan if entry is None else float(entry) for entry in flat])


def shown(value: object) -> str:
    """Return a value for a table cell: numbers to twelve digits, long lists by their length."""
    if isinstance(value, bool | str):
        return str(value)
    flat = numbers(value)
    if flat.shape[0] > 3:
        return f"{flat.shape[0]} values"
    return ", ".join("-" if math.isnan(entry) else f"{entry:.12g}" for entry in flat)


def difference(ours: object, published: object) -> float:
    """Return the largest absolute difference, inf if the shapes differ."""
    if isinstance(published, bool | str):
        return 0.0 if ours == published else math.inf
    a, b = numbers(ours), numbers(published)
    if a.shape != b.shape or (np.isnan(a) != np.isnan(b)).any():
        return math.inf
    return float(np.nanmax(np.abs(a - b), initial=0.0)) if not np.isnan(a).all() else 0.0


def allowed(row: dict[str, Any], name: str) -> float:
    """Return the difference that a row allows."""
    tolerance = row["tolerance"].get(name, row["tolerance"].get("*", {}))
    expected = row["expected"][name]
    size = 0.0 if isinstance(expected, bool | str) else float(np.nanmax(np.abs(numbers(expected)), initial=0.0))
    return float(tolerance.get("abs", 0.0)) + float(tolerance.get("rel", 0.0)) * size


def source(entry: object) -> str:
    """Return the source of a group in words."""
    if isinstance(entry, dict):
        return "; ".join(source(value) for value in entry.values() if value)
    return "; ".join(source(value) for value in entry) if isinstance(entry, list) else str(entry)


def page() -> tuple[str, float]:
    """Return the page, and the largest difference as a share of what its row allows."""
    body: list[str] = []
    rows = values = 0
    worst = 0.0
    for path in sorted(ANCHORS.glob("*.json"), key=lambda file: (file.name[0], int(file.name[1:].split("_")[0]))):
        content = json.loads(path.read_text(encoding="utf-8"))
        group = path.name.split("_")[0]
        body.append(
            f"## {group}: {content['what']}\n\nSource: {source(content['source'])}\n\n{content['definitions']}\n"
        )
        kinds = {row["kind"]: row["inputs"] for row in content["rows"] if not row["kind"].endswith("_optional")}
        for kind, inputs in kinds.items():
            functions = calls(partial(RECOMPUTED[group][kind], inputs))
            named = ", ".join(f"`{name}`" for name in functions) or "none: a form that is not offered"
            body.append(f"Runs, for rows of kind `{kind}`: {named}.\n")
        body.append("| row | number | ours | published | difference |\n|---|---|---|---|---|")
        for row in content["rows"]:
            if row["kind"].endswith("_optional"):
                continue
            rows += 1
            ours = RECOMPUTED[group][row["kind"]](row["inputs"])
            for name, published in row["expected"].items():
                values += 1
                found = difference(ours[name], published)
                room = allowed(row, name)
                worst = max(worst, found / room if room else (0.0 if found == 0.0 else math.inf))
                body.append(f"| {row['id']} | {name} | {shown(ours[name])} | {shown(published)} | {found:.1e} |")
        body.append("")
    return HEAD.format(rows=rows, values=values, share=worst) + "\n".join(body), worst


def main() -> int:
    """Write the page, or with `--check` say whether a row has left its tolerance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only, write nothing")
    arguments = parser.parse_args()
    text, worst = page()
    if not arguments.check:
        PAGE.write_text(text, encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)}: largest difference {worst:.1%} of what its row allows")
    return int(worst > 1.0)


if __name__ == "__main__":
    sys.exit(main())
