"""Pictures of every page, in both widths and both themes, of a real installation: `python -m bench.screenshots`.

They go to `docs/images/`, as PNG with few colours, since the documentation is cloned by everybody.
"""

import io
import sys
from pathlib import Path
from typing import Any, Final

import httpx
from PIL import Image
from playwright.sync_api import Browser

from bench.chromium import chromium
from bench.local import Local, local

FOLDER: Final = Path(__file__).parent.parent / "docs" / "images"
_SIZES: Final = {"desktop": (1440, 900), "phone": (390, 844)}
_TALLEST: Final = {"desktop": 1800, "phone": 2200}
_COLOURS: Final = 96

#: Page -> address, and a label or heading that says it is complete.
PAGES: Final = {
    "overview": ("/", "region", "Active"),
    "experiment-live": ("/experiments/checkout", "region", "Estimate"),
    "experiment-ended": ("/experiments/effect-3", "region", "Archive"),
    "experiment-blinded": ("/experiments/trial", "region", "Blinded"),
    "new-form": ("/new?template=conversion", "region", "Operating characteristic"),
    "new-text": ("/new?clone=checkout", "region", "Operating characteristic"),
    "programme": ("/programme", "region", "Ledger"),
    "queue": ("/queue", "region", "Queue lab"),
    "compare": ("/compare?runs=effect-1/1,effect-2/1,effect-3/1,null-1/1&x=share", "region", "Walks"),
}


def bernoulli(
    experiment_id: str, title: str, p: tuple[float, float, float], seed: int, pace: tuple[float, int], **more: Any
) -> dict[str, Any]:
    """Return a definition whose runner draws observations; `p` is H0, H1 and the truth, `pace` records/s and size."""
    h0, h1, truth = p
    return {
        "id": experiment_id,
        "title": title,
        "owner": "ana",
        "model": {"family": "bernoulli", "h0": {"p": h0}, "h1": {"p": h1}},
        "errors": {"alpha": 0.05, "beta": 0.1, "thresholds": "wald"},
        "stop": {"max_samples": 20_000},
        "source": {"kind": "simulate", "theta": truth, "seed": seed, "rate": pace[0], "batch": pace[1]},
        **more,
    }


def fill(running: Local) -> None:
    """Run experiments in every state that pages can show."""
    for k in range(1, 13):
        known = {"owner": "qa", "tags": ["calibration"]}
        runs = [bernoulli(f"null-{k}", f"Null run {k}", (0.5, 0.58, 0.5), k, (200, 10), **known)]
        if k < 7:
            runs.append(bernoulli(f"effect-{k}", f"Known effect {k}", (0.5, 0.58, 0.58), 60 + k, (200, 10), **known))
        for each in runs:
            running.command("run", each["id"], experiment=each)
    web = {"tags": ["web"], "owner": "ben", "question": "Is the conversion rate of the short checkout 6 % or 5 %?"}
    strict = {"errors": {"alpha": 0.001, "beta": 0.001, "thresholds": "wald"}, "stop": {"max_samples": 60_000}}
    shop, queue = "Does the short checkout convert better than 5 %?", {"queue": "lab"}
    for definition in (
        bernoulli("checkout", shop, (0.05, 0.06, 0.055), 11, (10, 4), **web, **strict),
        bernoulli("generator", "Is the generator fair?", (0.5, 0.51, 0.504), 7, (10, 10), tags=["rng"], **strict),
        bernoulli("trial", "A blinded trial", (0.5, 0.53, 0.52), 5, (5, 2), tags=["trial"], blinded=True, **strict),
        bernoulli("embargo", "Result under embargo", (0.5, 0.6, 0.6), 4, (3, 2), tags=["lab"]),
        bernoulli("sensor", "Has the sensor drifted?", (0.5, 0.52, 0.51), 8, (20, 2), tags=["lab"], **strict),
        *(
            bernoulli(f"bench-{k}", f"Measurement {k}", (0.5, 0.52, 0.51), k, (2, 2), schedule=queue | {"priority": k})
            for k in (1, 2, 3)
        ),
    ):
        running.command("run", definition["id"], experiment=definition)
        if definition["id"] == "embargo":
            running.command("hold", "embargo", reason="embargo until Monday")
    weekly = bernoulli("weekly", "Weekly check of the generator", (0.5, 0.51, 0.5), 1, (100, 10))
    schedule = {"cron": "0 9 * * mon", "timezone": "Europe/Vienna", "max_runs": 52}
    running.command("define", "weekly", experiment=weekly | {"schedule": schedule})
    running.until(lambda: _n(running, "sensor") > 200, "the sensor's walk")
    running.command("pause", "sensor", reason="lamp replaced")
    running.until(lambda: running.list(q="calibration", state="archived")["total"] == 18, "the archives", 300)
    running.until(lambda: _n(running, "checkout") > 1200, "the checkout's walk", 300)


def _n(running: Local, experiment_id: str) -> int:
    answer = httpx.get(f"{running.url}/api/v1/experiments/{experiment_id}/runs/1", timeout=30)
    point = answer.json().get("point") if answer.status_code == 200 else None
    return int(point[2]) if point else 0


def take(browser: Browser, url: str) -> int:
    """Write all pictures and return their size in bytes."""
    FOLDER.mkdir(exist_ok=True)
    size = 0
    for width, viewport in _SIZES.items():
        for theme in ("light", "dark"):
            context = browser.new_context(
                base_url=url,
                viewport={"width": viewport[0], "height": viewport[1]},
                color_scheme=theme,
                reduced_motion="reduce",
            )
            context.set_default_timeout(120_000)
            page = context.new_page()
            for name, (address, role, label) in PAGES.items():
                page.goto(address)
                page.get_by_role(role, name=label).first.wait_for()  # type: ignore[arg-type]  # a role's name
                page.evaluate("document.fonts.ready")
                page.wait_for_timeout(700)  # charts are drawn in frames after the data
                raw = page.screenshot(full_page=True)
                picture = Image.open(io.BytesIO(raw)).convert("RGB")
                picture = picture.crop((0, 0, picture.width, min(picture.height, _TALLEST[width])))
                small = picture.quantize(_COLOURS, dither=Image.Dither.NONE)
                target = FOLDER / f"{name}-{width}-{theme}.png"
                small.save(target, optimize=True)
                size += target.stat().st_size
            context.close()
    return size


def main() -> int:
    """Start an installation, fill it, take the pictures."""
    with local() as running, chromium() as browser:
        fill(running)
        size = take(browser, running.url)
    print(f"{FOLDER}: {len(PAGES) * 4} pictures, {size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
