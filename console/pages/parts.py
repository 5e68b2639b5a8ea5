"""The parts of an experiment's page that change seldom: history, design, archive, run choice, empty states."""

from pathlib import Path
from typing import Any

from msgspec.structs import replace
from nicegui import ui

from console import numbers, wording
from console.documents import RunDocument, TimelineEntry
from console.downloads import files
from console.pages.shell import tag
from console.rows import address
from console.settings import ConsoleConfig
from schemas import events

_TONES = {
    "started": "live",
    "resumed": "live",
    "paused": "warn",
    "held": "warn",
    "queued": "warn",
    "retrying": "warn",
    "released": "live",
    "unblinded": "warn",
    "failed": "bad",
    "archived": "done",
    "cancelled": "done",
    "defined": "done",
}


def run_choice(run: RunDocument, runs: list[RunDocument]) -> None:
    """Show which run this is, and a way to the others."""
    if len(runs) < 2:
        tag("span", text=f"Run {run.run}")
        return
    options = {address(it): f"Run {it.run} of {len(runs)} · {wording.state(it).text}" for it in runs}
    with tag("label"):
        tag("span", "hidden-text", "Run")
        with tag("select", "input", style="height:28px;width:auto;font-size:12.5px") as choice:
            for target, text in options.items():
                option = tag("option", text=text, value=target)
                if target == address(run):
                    option.props["selected"] = True
        choice.on("change", js_handler="(event) => window.location.assign(event.target.value)")


def legend(run: RunDocument, *, has_envelope: bool) -> None:
    """Say what the lines of the chart are."""
    with tag("div", "legend"):
        for style, text in (
            ("", "log-likelihood ratio after each observation"),
            ("h1" if run.upper is not None else None, "H1 line"),
            ("h0" if run.lower is not None else None, "H0 line"),
            ("h1 dashed", f"expected if {wording.hypothesis(run, 'h1')}"),
            ("h0 dashed", f"expected if {wording.hypothesis(run, 'h0')}"),
            ("band" if has_envelope else None, "5 to 95 % of planned walks, dotted their median"),
        ):
            if style is not None:
                with tag("span"):
                    tag("i", style, aria_hidden="true")
                    tag("span", text=text)


def waiting_for_observations(run: RunDocument, config: ConsoleConfig) -> None:
    """Show how observations get in, for a run that has none yet."""
    with tag("div", "head"):
        tag("h2", text="Waiting for the first observation" if run.run else "Not started yet")
    source = wording.SOURCES.get(run.source, run.source)
    with tag("div", "body"):
        if run.source == "external":
            before = "" if run.run else "Press Start; what comes before that is not counted. "
            text = f"{before}Anything that can produce to Kafka can send them; these two lines do the same thing."
            tag("p", "note", text)
            with tag("div", "stack", style="margin-top:12px"):
                tag("code", "code", f"waldstream observe {run.experiment_id} 0 1 1 0")
                body = f'{{"experiment_id": "{run.experiment_id}", "values": [0, 1, 1, 0]}}'
                where = f"-b {config.kafka.get('bootstrap.servers')} -t {config.topics.observations}"
                tag("code", "code", f"echo '{body}' | kcat -P {where} -k {run.experiment_id}")
        elif run.run:
            tag(
                "p",
                "note",
                f"Its own source ({source}) is started by the runner and sends the first ones in a moment.",
            )
        else:
            tag("p", "note", f"Press Start: its own source ({source}) then sends the observations.")


def design(run: RunDocument, defined: events.Defined | None) -> None:
    """Show what was fixed beforehand."""
    definition = defined.definition if defined is not None else {}
    family = run.model.get("family", "")
    shown = {
        "Question": definition.get("question") or "",
        "H0": wording.hypothesis(run, "h0"),
        "H1": wording.hypothesis(run, "h1"),
        "Observations": wording.FAMILIES.get(family, family),
        "Error rates": f"{wording.rates(run)}",
        "Thresholds": wording.THRESHOLDS.get(run.errors.get("thresholds", ""), ""),
        **wording.aims(run),
        **dict(promises(defined.certificate) if defined is not None else []),
        "Source": wording.SOURCES.get(run.source, run.source),
        "Registered": numbers.moment(defined.at) if defined is not None else "",
    }
    with tag("dl", "pairs"):
        for name, value in shown.items():
            if value:
                tag("dt", text=name)
                tag("dd", text=str(value))
        tag("dt", text="Design digest")
        with tag("dd"):
            tag("span", "mono", run.design_digest[:16], title=run.design_digest)
        if run.definition_revision > 1:
            tag("dt", text="Revision")
            tag("dd", text=str(run.definition_revision))


def promises(certificate: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what a design achieves, as far as its certificate says so: name and value."""
    shares = (
        ("alpha", "Achieved α"),
        ("beta", "Achieved β"),
        ("p_undecided_h0", "Inconclusive if H0"),
        ("p_undecided_h1", "Inconclusive if H1"),
    )
    found = []
    for key, label in shares:
        value = certificate.get(key)
        if isinstance(value, int | float):
            found.append((label, numbers.plain(value, 3) if key in ("alpha", "beta") else numbers.probability(value)))
    for key, label in (("mean_n_h0", "Mean n if H0"), ("mean_n_h1", "Mean n if H1")):
        value = certificate.get(key)
        if isinstance(value, int | float):
            found.append((label, numbers.count(value)))
    fixed = (certificate.get("planned") or {}).get("fixed_n")
    return [*found, ("A test of fixed n", f"needs {numbers.count(fixed)}")] if fixed else found


def history(entries: list[TimelineEntry], run: RunDocument) -> None:
    """Show what happened, newest first; commands show by their effect, or by their rejection."""
    replies = {entry.cause: entry for entry in entries if entry.kind == "reply"}
    shown = 0
    with tag("ol", "timeline"):
        for entry in reversed(entries):
            if entry.kind == "event" and (entry.run in (run.run, 0) or entry.type == "defined"):
                _event(entry, run)
                shown += 1
            elif entry.kind == "command":
                reply = replies.get(entry.id)
                if reply is not None and reply.body.get("status") != "accepted":
                    _unanswered(entry, str(reply.body.get("message", "")), "rejected")
                    shown += 1
                elif reply is None:
                    _unanswered(entry, "no worker has answered yet", "sent")
                    shown += 1
    if not shown:
        tag("p", "note", "Nothing has happened yet.")


def _event(entry: TimelineEntry, run: RunDocument) -> None:
    title, why = wording.event(entry.type), []
    tone = _TONES.get(entry.type, "")
    if entry.type == "decision":
        shown = replace(run, outcome=entry.body.get("outcome"), reason=entry.reason, n=entry.body.get("n"))
        sign = wording.state(shown)
        title, tone = f"Decision: {sign.text}", sign.tone
        why.append(wording.headline(shown, None))
        if entry.body.get("comment"):
            why.append(str(entry.body["comment"]))
    elif entry.type == "defined":
        revision = entry.body.get("definition_revision", 1)
        why += [f"revision {revision}, for later runs"] if revision != 1 else []
    elif entry.type == "started":
        title = f"Run {entry.run} started"
    elif entry.type == "queued":
        why.append(f"queue {entry.body.get('queue')}, priority {entry.body.get('priority')}")
    elif entry.type in ("scheduled", "retrying"):
        why += [f"due {entry.body['due']}"] if entry.body.get("due") else ["the schedule has ended"]
        why.append(str(entry.body.get("note") or ""))
    elif entry.type == "failed":
        why.append(str(entry.body.get("message", "")))
    elif entry.type == "archived":
        why.append(
            "disputed: the replay reached another decision"
            if entry.body.get("disputed")
            else "complete, with checksums"
        )
    if entry.type != "decision" and entry.reason:
        why.append(entry.reason)
    _line(tone, title, entry, why)


def _unanswered(entry: TimelineEntry, message: str, how: str) -> None:
    why = [message, *([f"reason given: {entry.reason}"] if entry.reason else [])]
    _line("bad" if how == "rejected" else "warn", f"{wording.command(entry.type)} {how}", entry, why)


def _line(tone: str, title: str, entry: TimelineEntry, why: list[str]) -> None:
    with tag("li", tone):
        with tag("div", "line"):
            with tag("span"):
                tag("span", "what", title)
                if entry.actor:
                    tag("span", "why", f" by {entry.actor}")
            tag("time", "when", numbers.moment(entry.at), datetime=entry.at.isoformat())
        text = " · ".join(part for part in why if part)
        if text:
            tag("div", "why", text)


def archive(run: RunDocument, found: Path | None) -> None:
    """Show the files of the archive for download, or why there are none."""
    if found is None:
        if run.state == "ARCHIVED":
            tag("p", "note", "The archive is complete, but not in the folder that this console serves.")
        else:
            tag("p", "note", "Being written: files appear here as soon as it is complete.")
        return
    base = f"/api/v1/experiments/{run.experiment_id}/runs/{run.run}/archive"
    with tag("ul", "files"):
        for file in files(found):
            with (
                tag("li"),
                tag(
                    "a",
                    href=f"{base}/{file.name}",
                    download="",
                    title=f"SHA-256 {file.sha256 or 'of the manifest is in the decision log'}",
                ),
            ):
                with tag("span"):
                    tag("div", text=file.name)
                    if file.what:
                        tag("div", "sub", file.what)
                tag("span", "size", _size(file.size))
    with tag("div", "actions", style="margin-top:10px"):
        tag("a", "button small", "Download all (ZIP)", href=base, download="")


def _size(size: int) -> str:
    for unit, step in (("MB", 1_000_000), ("kB", 1000)):
        if size >= step:
            return f"{numbers.plain(size / step, 3)} {unit}"
    return f"{size} B"


def unavailable() -> None:
    """Say that nothing can be shown while Redis is away."""
    with tag("div", "card empty"):
        tag("h1", "h2", "The read model is away")
        tag("p", text="Redis does not answer, so there is nothing to show. Runs go on; this page comes back by itself.")


def not_found(experiment_id: str, number: int | None) -> None:
    """Say that there is no such experiment or run, yet."""
    ui.page_title("Not found · waldstream")
    with tag("div", "card empty"):
        what = f"{experiment_id}, run {number}" if number is not None else experiment_id
        tag("h1", "h2", "Nothing here")
        tag("p", text=f"There is no experiment {what}. If it was defined a moment ago, this page shows it by itself.")
        tag("a", "button", "To the overview", href="/")
