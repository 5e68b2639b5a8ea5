"""New experiment: a template, a form that the definition itself judges, and one click to run."""

import asyncio
import json
from itertools import count
from typing import Any, Final

from fastapi import Request
from nicegui import background_tasks, ui

from console import numbers
from console.components import FormField, Plot
from console.curves import Curves, curves
from console.desk import Desk
from console.form import by_field, definition, suggested_id
from console.model import ReadModelAwayError
from console.orders import KafkaAwayError, NoReplyError, new_id
from console.pages.parts import promises
from console.pages.shell import set_text, shell, tag
from console.security import Visitor, visitor
from console.templates import TEMPLATES
from experiments.definition import DefinitionError, ExperimentDefinition, parse
from experiments.planning import Refusal, Solution
from experiments.templates import templates
from schemas import events
from schemas.codecs import EXPERIMENT_ID

_REST_SECONDS: Final = 0.3
_THRESHOLDS: Final = [
    ("exact", "Exact: errors at or below nominal"),
    ("wald", "Wald's approximation"),
    ("siegmund", "Siegmund's correction"),
    ("ville", "Ville's, conservative"),
]
_SOURCES: Final = [
    ("external", "My own system sends them"),
    ("entropy", "Random bits of this machine"),
]


class NewExperiment:
    """One open form."""

    def __init__(self, desk: Desk, who: Visitor, template: str, text: str) -> None:
        self._desk = desk
        self._who = who
        self._document = text
        self._is_text = bool(text)
        self._template = TEMPLATES.get(template) or next(iter(TEMPLATES.values()))
        self._fields: dict[str, FormField] = {}
        self._planned_for: dict[str, Any] | None = None
        self._planning: asyncio.Task[None] | None = None
        self._id_is_own = False

    async def build(self) -> None:
        """Build the page."""
        ui.page_title("New experiment · waldstream")
        with tag("div", "title-row"), tag("div", "text"):
            tag("h1", "title", "New experiment")
            tag("p", "subtitle", "Begin with a template, change what you like, and run it.")
        with tag("section", "templates", aria_label="Templates"):
            self._cards = {}
            for template in TEMPLATES.values():
                card = tag("button", "card template", type="button")
                card.props["aria-pressed"] = "true" if template is self._template else "false"
                with card:
                    tag("span", "what", template.title)
                    tag("span", "note", template.about)
                card.on("click", lambda _, name=template.name: self._begin_with(name))
                self._cards[template.name] = card
        with tag("div", "columns section"):
            with tag("div", "stack"):
                with tag("div", "segments", role="group", aria_label="How to write it"):
                    self._ways = {
                        is_text: tag("button", text=words, type="button").on(
                            "click", lambda _, is_text=is_text: self._switch(is_text=is_text)
                        )
                        for is_text, words in ((False, "Form"), (True, "Text: every family, every option"))
                    }
                with tag("div", "stack") as self._as_form:
                    self._form()
                with tag("div", "stack") as self._as_text:
                    self._written()
            with tag("aside", "stack sticky", aria_label="Plan"):
                self._side()
        await self._switch(is_text=self._is_text)

    def _written(self) -> None:
        """Build the definition as text, with the templates of all families to begin with."""
        with tag("section", "card", aria_label="Definition"):
            with tag("div", "head"):
                tag("h2", text="Definition")
                tag("span", "note", "TOML or JSON, as in a file for waldstream run")
            with tag("div", "body stack"):
                names = [("", "Begin with …"), *((it.name, f"{it.name}: {it.about}") for it in templates().values())]
                self._beginnings = FormField(
                    "beginning", "Template", kind="select", options=names, on_change=self._begin_text
                )
                self._text = FormField("text", "Definition", kind="code", value=self._document, on_change=self._judged)

    async def _begin_text(self) -> None:
        template = templates().get(self._beginnings.value)
        if template is not None:
            self._text.put(template.text)
            await self._judge()

    async def _judged(self) -> None:
        await self._judge()

    async def _switch(self, *, is_text: bool) -> None:
        """Show the form or the text; a text that is still empty begins as what the form says."""
        self._is_text = is_text
        if is_text and not self._text.value:
            self._text.put(json.dumps(self._formed(), indent=2, ensure_ascii=False))
        for each, button in self._ways.items():
            button.props["aria-pressed"] = "true" if each == is_text else "false"
            button.update()
        self._as_form.set_visibility(not is_text)
        self._as_text.set_visibility(is_text)
        await self._judge()

    def _form(self) -> None:
        with self._part("Question"):
            self._field("title", "Title", "What people will call it.", wide=True)
            self._field("id", "Id", "Small letters, digits, dashes. It names the experiment on Kafka and in archives.")
            self._field("owner", "Owner", "Who answers for it.")
            self._field("question", "Question", "", kind="text", wide=True)
            self._field("tags", "Tags", "Separated by commas.", wide=True)
        with self._part("Hypotheses", "each observation is a 0 or a 1; p is the probability of a 1"):
            self._field("p0", "H0: p", "What holds if there is nothing to find.", kind="number")
            self._field("p1", "H1: p", "The smallest change that matters to you.", kind="number")
        with self._part("Error rates"):
            self._field("alpha", "α, H1 wrongly accepted", "How often a true H0 may be called wrong.", kind="number")
            self._field("beta", "β, H0 wrongly accepted", "How often a true H1 may be missed.", kind="number")
            self._field("thresholds", "Thresholds", "", kind="select", options=_THRESHOLDS, wide=True)
        with self._part("When to stop", "besides the boundaries"):
            self._field(
                "max_samples", "Most observations", "The run ends here, inconclusive if it is undecided.", kind="number"
            )
            self._field(
                "p_value",
                "Stop at p ≤",
                "Accepts H1 by the always-valid p. Replaces the upper boundary.",
                kind="number",
            )
            self._field("max_duration", "Longest duration", "Such as 30s, 2h, 14d.")
            self._field("stall_timeout", "End if silent for", "Such as 5m, 1d.")
        with self._part("Observations"):
            self._field("source", "Where they come from", "", kind="select", options=_SOURCES, wide=True)
            with tag("div", "form-grid wide") as self._entropy:
                self._field("rate", "Records per second", "", kind="number")
                self._field("batch", "Bits per record", "", kind="number")
                self._field(
                    "source_p", "Share of ones", "0.5 is the bits as they come; others bias them.", kind="number"
                )

    def _part(self, title: str, note: str = "") -> Any:
        with tag("section", "card", aria_label=title):
            with tag("div", "head"):
                tag("h2", text=title)
                if note:
                    tag("span", "note", note)
            with tag("div", "body"):
                return tag("div", "form-grid")

    def _field(self, name: str, label: str, help_: str, *, wide: bool = False, **more: Any) -> None:
        async def changed() -> None:
            await self._changed(name)

        value = self._beginning(name)
        field = FormField(name, label, value=value, help_=help_, on_change=changed, **more)
        if wide:
            field.classes("wide")
        self._fields[name] = field

    def _side(self) -> None:
        with tag("section", "card"):
            with tag("div", "head"):
                tag("h2", text="What this design does")
            with tag("div", "body"):
                self._plan_note = tag("p", "note")
                self._plan = tag("dl", "pairs", style="margin-top:6px")
        with tag("section", "card", aria_label="Operating characteristic") as self._curves:
            with tag("div", "head"):
                tag("h2", text="If the truth is …")
                tag("span", "note", "chance of each end, and the mean n")
            with tag("div", "body stack"):
                empty: dict[str, Any] = {"x": {"name": ""}, "y": {"name": ""}}
                self._operating = Plot(empty, "Operating characteristic").classes("low")
                self._length = Plot(empty, "Mean number of observations").classes("low")
        self._curves.set_visibility(False)
        with tag("section", "card send-card"), tag("div", "body stack"):
            self._problem = tag("div", "problem", role="alert")
            self._run = tag("button", "button primary", "Create and run", type="button").on(
                "click", lambda: self._send("run")
            )
            self._define = tag("button", "button", "Create only", type="button").on(
                "click", lambda: self._send("define")
            )
            tag("p", "note", "The design is fixed as soon as the first observation is in.")
            if not self._who.may_command:
                self._busy(is_busy=True)
                set_text(self._run, "Viewers may only look")

    async def _begin_with(self, name: str) -> None:
        self._template = TEMPLATES[name]
        self._id_is_own = False
        for template, card in self._cards.items():
            card.props["aria-pressed"] = "true" if template == name else "false"
        for field in self._fields.values():
            field.put(self._beginning(field.name))
        ui.navigate.history.replace(f"/new?template={name}")
        await self._judge()

    async def _changed(self, name: str) -> None:
        if name == "id":
            self._id_is_own = True
        if name == "title" and not self._id_is_own and self._fields["title"].value:
            self._fields["id"].put(self._free(suggested_id(self._fields["title"].value)))
        await self._judge()

    def _beginning(self, name: str) -> str:
        """Return what the template puts into a field."""
        value = self._template.values.get(name, "exact" if name == "thresholds" else "")
        return self._free(value) if name == "id" else value

    def _free(self, wanted: str) -> str:
        """Return the id, with a number behind it if an experiment has it already."""
        taken = {experiment_id for experiment_id, _ in self._desk.board.runs}
        names = (wanted if number == 1 else f"{wanted}-{number}" for number in count(1))
        return next(name for name in names if name not in taken)

    def _given(self) -> dict[str, Any] | str:
        return self._text.value if self._is_text else self._formed()

    def _formed(self) -> dict[str, Any]:
        return definition({name: field.value for name, field in self._fields.items()})

    async def _judge(self) -> ExperimentDefinition | None:
        """Show what is wrong with the form, or what its design does."""
        self._entropy.set_visibility(self._fields["source"].value == "entropy")
        given = self._given()
        try:
            parsed = parse(given)
        except DefinitionError as error:
            if self._is_text:
                self._text.complain("; ".join(map(str, error.problems)))
                self._say("")
                self._drop_plan("Mend what is named, and the plan appears here.")
                return None
            fields, rest = by_field(error.problems)
            for name, field in self._fields.items():
                field.complain(fields.get(name, ""))
            self._say("; ".join(rest))
            self._drop_plan("Fill in what is marked, and the plan appears here.")
            return None
        for field in self._fields.values():
            field.complain("")
        self._text.complain("")
        self._say("")
        self._start_planning(parsed.stored())
        return parsed

    def _drop_plan(self, note: str) -> None:
        """Show no plan, and wait for none."""
        self._planned_for = None
        if self._planning is not None:
            self._planning.cancel()
        self._show_plan(None, note)

    def _start_planning(self, given: dict[str, Any]) -> None:
        """Solve the design in another process; only the newest one is shown."""
        design = {part: given.get(part) for part in ("model", "errors", "stop")}
        if design == self._planned_for:
            return
        self._planned_for = design
        if self._planning is not None:
            self._planning.cancel()
        client = ui.context.client

        async def solve() -> None:
            await asyncio.sleep(_REST_SECONDS)  # somebody is typing
            with client:
                self._show_plan(None, "Working it out…")
            solution = await self._desk.solver.solve(given)
            if not client.is_deleted:
                with client:
                    self._show_solution(solution)
            if isinstance(solution, Refusal):
                return
            found = await self._desk.solver.work(curves, solution)
            if not client.is_deleted:
                with client:
                    self._show_curves(found)

        self._planning = background_tasks.create(solve(), name="work a design out")
        client.on_delete(self._planning.cancel)

    def _show_solution(self, solution: Solution | Refusal) -> None:
        if isinstance(solution, Refusal):
            self._drop_plan("")
            self._say(solution.message)
        else:
            self._show_plan(solution, f"By {solution.certificate.get('method', 'the thresholds alone')}.")

    def _show_curves(self, found: Curves | Refusal) -> None:
        self._curves.set_visibility(not isinstance(found, Refusal))
        if not isinstance(found, Refusal):
            self._operating.show(found[0], "Chance of each end against the parameter")
            self._length.show(found[1], "Mean number of observations against the parameter")

    def _show_plan(self, solution: Solution | None, note: str) -> None:
        set_text(self._plan_note, note)
        self._plan.clear()
        if solution is None:
            self._curves.set_visibility(False)
            return
        with self._plan:
            for name, value in planned(solution):
                tag("dt", text=name)
                tag("dd", text=value)

    def _say(self, text: str) -> None:
        self._problem.set_visibility(bool(text))
        set_text(self._problem, text)

    async def _send(self, kind: str) -> None:
        """Send the command, and go to the experiment's page once it is accepted."""
        parsed = await self._judge()
        if not self._who.may_command:
            return
        if parsed is None:
            wrong = next((field for field in self._fields.values() if field.error), None)
            if wrong is not None:
                wrong.focus()
            return
        order = events.Run if kind == "run" else events.Define
        command = order(
            id=new_id(),
            experiment_id=parsed.id,
            actor=self._who.actor(parsed.owner or "console"),
            reason=f"from the template {self._template.title}",
            experiment=parsed.stored() if self._is_text else self._formed(),
        )
        self._busy(is_busy=True)
        try:
            reply = await self._desk.orders.send(command)
        except (KafkaAwayError, NoReplyError) as error:
            self._say(str(error))
            return
        finally:
            self._busy(is_busy=False)
        if reply.status == "rejected":
            self._say(reply.message)
            return
        ui.navigate.to(f"/experiments/{parsed.id}")

    def _busy(self, *, is_busy: bool) -> None:
        set_text(self._run, "Waiting for the worker…" if is_busy else "Create and run")
        for button in (self._run, self._define):
            button.props.set_bool("disabled", is_busy)
            button.update()


def planned(solution: Solution) -> list[tuple[str, str]]:
    """Return what a solved design promises, for people."""
    found: list[tuple[str, str]] = []
    if solution.upper is not None:
        found.append(("Accept H1", f"LLR ≥ {numbers.plain(solution.upper)}"))
    if solution.lower is not None:
        found.append(("Accept H0", f"LLR ≤ {numbers.plain(solution.lower)}"))
    return found + promises(solution.certificate)


async def build(desk: Desk, request: Request) -> None:
    """Build the page of a new experiment."""
    with shell(desk, "/new"):
        query = request.query_params
        text = await _cloned(desk, query.get("clone", ""))
        await NewExperiment(desk, visitor(request), query.get("template", ""), text).build()


async def _cloned(desk: Desk, experiment_id: str) -> str:
    """Return the newest definition of an experiment as text under an id that is free, empty if there is none."""
    if not EXPERIMENT_ID.fullmatch(experiment_id):
        return ""
    try:
        defined = await desk.model.definition(experiment_id)
    except ReadModelAwayError:
        return ""
    if defined is None:
        return ""
    taken = {name for name, _ in desk.board.runs}
    own = dict(defined.definition)
    own["id"] = next(name for number in count(2) if (name := f"{experiment_id[:58]}-{number}") not in taken)
    bare = parse({name: own[name] for name in ("id", "model", "errors")}).stored()
    kept = {name: value for name, value in own.items() if value != bare[name] or name in ("id", "model", "errors")}
    return json.dumps(_without_gaps(kept), indent=2, ensure_ascii=False)


def _without_gaps(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_gaps(entry) for name, entry in value.items() if entry is not None}
    return value
