"""What the programme report prints, as plain strings for the typst template."""

from typing import Any, Final

from exporter.numbers import shown
from exporter.programme.figures import Figures, RunLine
from exporter.text import printable
from exporter.words import OUTCOMES, REASONS

_LONGEST: Final = 60
_ENDED: Final = {"accept_h1": "H1 accepted", "accept_h0": "H0 accepted", "inconclusive": "inconclusive"}


def content(found: Figures) -> dict[str, Any]:
    """Return the content of the report."""
    return {
        "title": f"Sequential tests, {found.period}",
        "period": found.period,
        "begin": found.begin,
        "end": found.end,
        "summary": summary(found),
        "outcomes": [[OUTCOMES[name], str(count)] for name, count in found.outcomes.items()] or [["no run", "0"]],
        "reasons": [[REASONS[name], str(count)] for name, count in found.reasons.items()] or [["no run", "0"]],
        "lengths": [
            ["Observations applied", f"{found.observations}"],
            ["n over the expected n of the accepted hypothesis, median", _brief(found.median_n_ratio)],
            ["the same, mean", _brief(found.mean_n_ratio)],
            ["Observations saved against fixed-sample tests", _brief(found.observations_saved)],
        ],
        "again": [
            ["Retries of a failed or stalled run", str(found.retries)],
            ["Further runs of an experiment (recurrences)", str(found.recurrences)],
            ["Disputed archives", str(found.disputed)],
        ],
        "rates": [
            [
                rate.name, str(rate.runs), _brief(rate.planned), str(rate.wrong), _brief(rate.observed),
                "–" if rate.interval is None else f"{_brief(rate.interval[0])} to {_brief(rate.interval[1])}",
            ]
            for rate in found.rates
        ],
        "errors-note": errors_note(found),
        "ledger": ledger(found),
        "lines": [_line(line) for line in found.lines],
        "lines-note": "try k of an experiment: its k-th decided run since it was defined. n/plan: n over the expected "
        "n under the accepted hypothesis. e-BH: whether H0 is rejected over all runs of the period.",
    }  # fmt: skip


def summary(found: Figures) -> str:
    """Return the report in two sentences."""
    if not found.runs:
        return "No run was decided in this period."
    parts = ", ".join(f"{count} {_ENDED[name]}" for name, count in found.outcomes.items())
    return (
        f"{found.runs} run{_s(found.runs)} of {found.experiments} experiment{_s(found.experiments)} ended: {parts}. "
        f"Taken together, {found.discoveries} of {found.hypotheses} null hypotheses are rejected at a false discovery "
        f"rate of {shown(found.level)} (e-BH)."
    )


def errors_note(found: Figures) -> str:
    """Return what can be said where the truth is not known."""
    return (
        "The truth is known of runs whose source is simulated, or entropy of a stated share of ones. Over all runs, "
        f"H1 was accepted {found.accepted_h1} times; were H0 true in every one, {_brief(found.expected_false_h1)} "
        "would be expected at most, the sum of the achieved type I errors."
    )


def ledger(found: Figures) -> str:
    """Return the multiplicity ledger in sentences."""
    if not found.hypotheses:
        return "No run of the period has an e-value, so nothing can be said of them together."
    line = (
        f"Every run is a hypothesis of its own, retries and recurrences included: m = {found.hypotheses}. Its e-value "
        "is the likelihood ratio at its stop, whatever stopped it. The base e-BH procedure (Wang and Ramdas 2022) at "
        f"level {shown(found.level)} holds under any dependence between the runs. "
    )
    if found.threshold is None:
        line += f"It rejects none: that would take an e-value of {_brief(found.hypotheses / found.level)} or more."
    else:
        line += f"It rejects {found.discoveries}: those with an e-value of {_brief(found.threshold)} or more."
    if found.without_e:
        line += f" {found.without_e} run{_s(found.without_e)} with an asymptotic likelihood ratio only are left out."
    return line


def _line(line: RunLine) -> list[str]:
    ended = f"{OUTCOMES[line.outcome]}: {REASONS[line.reason]}"
    if line.attempt > 1:
        ended += f" (attempt {line.attempt} of run {line.retry_of})"
    if line.disputed:
        ended += " (disputed)"
    name = printable(line.title, _LONGEST)
    if line.title != line.experiment_id:
        name += f" [{line.experiment_id}]"
    tries = f", try {line.runs_so_far}" if line.runs_so_far > 1 else ""
    verdict = {None: "–", True: "rejected", False: "kept"}[line.rejected]
    figures = (str(line.n), _brief(line.n_ratio), _brief(line.p_value), _brief(line.e_value))
    return [f"\u2068{name}\u2069{tries}", str(line.run), ended, *figures, verdict]


def _brief(value: float | None) -> str:
    return shown(None if value is None else float(f"{value:.3g}"))


def _s(count: int) -> str:
    return "" if count == 1 else "s"
