"""How numbers and times are written for people: thin spaces between thousands, a true minus, no false digits."""

import math
from datetime import datetime, timedelta

_GAP = "\u202f"
_MINUS = "\u2212"


def count(value: float) -> str:
    """Return a whole number with thin spaces between thousands: 12 345."""
    return f"{value:,.0f}".replace(",", _GAP).replace("-", _MINUS)


def signed(value: float, digits: int = 2) -> str:
    """Return a number with its sign: +1.25, −0.30, 0.00."""
    text = f"{value:+,.{digits}f}"
    if not any(digit in text for digit in "123456789"):
        text = text[1:]
    return text.replace(",", _GAP).replace("-", _MINUS)


def plain(value: float, significant: int = 4) -> str:
    """Return a number with at most so many significant digits and no trailing zeros."""
    if value and not 1e-4 <= abs(value) < 1e6:
        mantissa, _, exponent = f"{value:.{significant - 1}e}".partition("e")
        digits = "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(d)] if d.isdigit() else "⁻" for d in str(int(exponent)))
        return f"{mantissa.rstrip('0').rstrip('.')}{_GAP}×{_GAP}10{digits}".replace("-", _MINUS)
    text = f"{value:,.{max(significant - 1 - math.floor(math.log10(abs(value))), 0) if value else 0}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.replace(",", _GAP).replace("-", _MINUS)


def probability(value: float) -> str:
    """Return a p-value: three significant digits, and a bound below 0.0001."""
    return f"<{_GAP}0.0001" if value < 1e-4 else plain(value, 3)


def percent(share: float) -> str:
    """Return a share of 1 in percent: 0.055 is 5.5 %."""
    return f"{plain(100 * share, 3)}{_GAP}%"


def duration(length: timedelta) -> str:
    """Return a length of time in its two largest units: 2 h 5 min."""
    seconds = max(length.total_seconds(), 0)
    if seconds < 10:
        return f"{seconds:.1f}{_GAP}s"
    left, parts = round(seconds), []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        whole, left = divmod(left, size)
        if whole:
            parts.append(f"{whole}{_GAP}{unit}")
    return " ".join(parts[:2])


def moment(at: datetime) -> str:
    """Return a time in UTC to the second: 2026-03-01 09:00:05 UTC."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
