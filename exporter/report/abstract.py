"""A structured abstract in the words that the CONSORT adaptive-designs extension (ACE) asks for."""

from exporter import words
from exporter.archive import Archive
from exporter.numbers import Number, numbers, shown


def abstract(archive: Archive) -> list[list[str]]:
    """Return headings and sentences: background, trial design, planned adaptations, outcome, results, conclusion."""
    known = {number.key: number for number in numbers(archive)}
    definition = archive.definition
    h0, h1 = words.hypothesis(definition, "h0"), words.hypothesis(definition, "h1")
    limit = definition["stop"].get("max_samples")
    cut = f"truncated at n = {limit}" if limit is not None else "not truncated"
    expected = [
        f"{known[key].text} under {name}" for key, name in (("mean_n_h0", "H0"), ("mean_n_h1", "H1")) if key in known
    ]
    sizes = f" Expected n: {', '.join(expected)}." if expected else ""
    return [
        ["Objective", str(definition.get("question") or f"To decide between H0: {h0} and H1: {h1}.")],
        [
            "Trial design",
            (
                f"Adaptive, sequential design: sequential probability ratio test (SPRT) of H0: {h0} against H1: {h1}, "
                f"{cut}; {words.errors(definition)}.{sizes}"
            ),
        ],
        [
            "Pre-planned adaptation",
            "Stopping early, by rules fixed before the first observation (see Stop rules) and applied by a program.",
        ],
        ["Outcome", f"Log-likelihood ratio of H1 against H0 in nats; model: {_model(archive)}."],
        ["Results", f"{_result(archive, known)} {_estimate(known)}"],
        ["Conclusion", words.headline(archive) + "."],
    ]


def _model(archive: Archive) -> str:
    return words.FAMILIES[archive.definition["model"]["family"]]


def _result(archive: Archive, known: dict[str, Number]) -> str:
    arms = ", ".join(f"{known[key].text} in arm {key[-1]}" for key in ("n_a", "n_b") if key in known)
    early = "stopped" if archive.decision.reason == "max_samples" else "stopped early"
    return (
        f"The test {early} at n = {archive.decision.n}{f' ({arms})' if arms else ''}: "
        f"{words.REASONS[str(archive.decision.reason)]}; log-likelihood ratio {known['llr'].text} nats, "
        f"p = {shown(archive.decision.p_value)} ({archive.decision.p_kind})."
    )


def _estimate(known: dict[str, Number]) -> str:
    chosen = known.get("median_unbiased_estimate") or known.get("naive_estimate")
    if chosen is None:
        return "No estimate is given."
    limits = ""
    if "interval_lower" in known:
        limits = f", 95 % interval {known['interval_lower'].text} to {known['interval_upper'].text}"
    return f"{chosen.label}: {chosen.text} ({chosen.note}){limits}."
