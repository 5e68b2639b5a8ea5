"""`table.tex` and `references.bib`: the result of a run for a LaTeX manuscript, the same numbers as everywhere else.

The table needs the package booktabs and nothing more; every character that LaTeX gives a meaning is escaped.
"""

from collections.abc import Iterable
from typing import Final

from exporter import words
from exporter.archive import Archive
from exporter.manifest import digest_of
from exporter.numbers import Number, numbers
from exporter.text import printable

_SPECIAL: Final = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "−": "$-$", "≤": r"$\le$", "≥": r"$\ge$", "²": r"$^2$", "α": r"$\alpha$", "β": r"$\beta$", "–": "--",
}  # fmt: skip
_KEYS: Final = (
    "n", "llr", "p_value", "naive_estimate", "median_unbiased_estimate", "interval_lower", "interval_upper",
    "stagewise_p", "alpha_achieved", "beta_achieved", "lower", "upper", "p_rule", "max_samples", "mean_n_h0",
    "mean_n_h1", "fixed_n",
)  # fmt: skip

#: What a report rests on, by key; each entry is complete and was looked up.
_WORKS: Final = {
    "wald1945": """@article{wald1945,
  author  = {Wald, Abraham},
  title   = {Sequential Tests of Statistical Hypotheses},
  journal = {Annals of Mathematical Statistics},
  year    = {1945},
  volume  = {16},
  number  = {2},
  pages   = {117--186}
}""",
    "ville1939": """@book{ville1939,
  author    = {Ville, Jean},
  title     = {{\\'E}tude critique de la notion de collectif},
  publisher = {Gauthier-Villars},
  address   = {Paris},
  year      = {1939}
}""",
    "siegmund1985": """@book{siegmund1985,
  author    = {Siegmund, David},
  title     = {Sequential Analysis: Tests and Confidence Intervals},
  publisher = {Springer},
  address   = {New York},
  year      = {1985}
}""",
    "dimairo2020": """@article{dimairo2020,
  author  = {Dimairo, Munyaradzi and others},
  title   = {The Adaptive designs {CONSORT} Extension ({ACE}) statement: a checklist with explanation and elaboration
             guideline for reporting randomised trials that use an adaptive design},
  journal = {BMJ},
  year    = {2020},
  volume  = {369},
  pages   = {m115}
}""",
}


def table(archive: Archive) -> str:
    r"""Return a LaTeX table of the run's numbers, to be read with `\input{table}`; its label is `tab:<id>-<run>`."""
    known = {number.key: number for number in numbers(archive)}
    rows = [_row(known[key]) for key in _KEYS if key in known and known[key].value is not None]
    definition = archive.definition
    hypotheses = f"H0: {words.hypothesis(definition, 'h0')}; H1: {words.hypothesis(definition, 'h1')}"
    caption = f"{printable(archive.title)}. {hypotheses}; {words.errors(definition)}. {words.verdict(archive)}"
    if archive.dispute is not None:
        caption += " Disputed: an independent replay came to another result."
    return "\n".join(
        (
            "% needs \\usepackage{booktabs}; cite with \\cite{" + citation_key(archive) + "} from references.bib",
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{escaped(caption)}}}",
            rf"  \label{{tab:{archive.experiment_id}-{archive.run}}}",
            r"  \begin{tabular}{lr}",
            r"    \toprule",
            r"    Quantity & Value \\",
            r"    \midrule",
            *rows,
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        )
    )


def bibliography(archive: Archive) -> str:
    """Return the BibTeX entries that the report rests on, that of the archive first."""
    owner = printable(str(archive.definition.get("owner") or "")) or "unknown"
    defined = archive.defined
    note = (
        f"Archived run of a sequential probability ratio test. Design digest {defined.design_digest}, "
        f"decision {archive.decision.id}, {archive.offsets.topic} partition {archive.offsets.partition}, offsets "
        f"{archive.offsets.first} to {archive.offsets.last}; waldstream {archive.versions.get('waldstream', '')}"
    )
    own = "\n".join(
        (
            f"@misc{{{citation_key(archive)},",
            f"  author = {{{{{escaped(owner)}}}}},",
            f"  title  = {{{{{escaped(printable(archive.title))}}}}},",
            f"  year   = {{{archive.decision.at.year}}},",
            f"  note   = {{{escaped(note)}}}",
            "}",
        )
    )
    return "\n\n".join((own, *(_WORKS[key] for key in _cited(archive)))) + "\n"


def citation_key(archive: Archive) -> str:
    """Return the key of the archive's own entry: letters, digits and hyphens, another one for every run."""
    name = f"{archive.experiment_id}-{archive.run}"
    plain = "".join(character if character.isalnum() else "-" for character in name)
    return plain if plain == name else f"{plain}-{digest_of(name.encode())[:6]}"


def escaped(text: str) -> str:
    """Return the text with every character that means something to LaTeX made to mean itself."""
    return "".join(_SPECIAL.get(character, character) for character in text)


def _row(number: Number) -> str:
    value = escaped(number.text.replace("-", "−") if isinstance(number.value, int | float) else number.text)
    unit = f" {number.unit}" if number.unit else ""
    return rf"    {escaped(number.label)} & {value}{escaped(unit)} \\"


def _cited(archive: Archive) -> Iterable[str]:
    yield "wald1945"
    if "Ville" in archive.decision.p_kind or archive.definition["errors"]["thresholds"] == "ville":
        yield "ville1939"
    if archive.estimates.get("ordering") or archive.definition["errors"]["thresholds"] == "siegmund":
        yield "siegmund1985"
    yield "dimairo2020"
