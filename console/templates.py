"""Experiments to begin with: three designs that people ask for, as they stand in the form."""

from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Template:
    """A design to begin with; `values` are the form's fields as text."""

    name: str
    title: str
    about: str
    values: dict[str, str] = field(default_factory=dict)


TEMPLATES: Final = {
    template.name: template
    for template in (
        Template(
            "random",
            "Random-number check",
            "Are the bits of this machine's entropy source fair? Runs by itself, in seconds.",
            {
                "id": "rng-check",
                "title": "Are the random bits of this machine fair?",
                "question": "Does the operating system's entropy source give ones more often than zeros?",
                "tags": "rng",
                "p0": "0.5",
                "p1": "0.52",
                "alpha": "0.001",
                "beta": "0.001",
                "max_samples": "100000",
                "thresholds": "wald",
                "source": "entropy",
                "rate": "400",
                "batch": "50",
                "source_p": "0.5",
            },
        ),
        Template(
            "conversion",
            "Conversion test",
            "Is a share above what it was? Your system sends a 1 for each conversion and a 0 for each visit without.",
            {
                "id": "conversion",
                "title": "Does the new page convert better than 5 %?",
                "question": "Is the conversion rate of the new page 6 % rather than the 5 % of the old one?",
                "tags": "web",
                "p0": "0.05",
                "p1": "0.06",
                "alpha": "0.05",
                "beta": "0.2",
                "max_samples": "30000",
                "thresholds": "wald",
                "max_duration": "14d",
                "stall_timeout": "1d",
                "source": "external",
            },
        ),
        Template(
            "acceptance",
            "Acceptance sampling",
            "Accept or reject a lot by testing items one at a time: 1 for a defect, 0 for a good item.",
            {
                "id": "lot",
                "title": "May this lot be accepted?",
                "question": "Is the share of defects 1 % (accept the lot) or 5 % (reject it)?",
                "tags": "quality",
                "p0": "0.01",
                "p1": "0.05",
                "alpha": "0.05",
                "beta": "0.1",
                "max_samples": "1000",
                "source": "external",
            },
        ),
    )
}
