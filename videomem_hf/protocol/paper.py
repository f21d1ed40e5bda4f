"""What the paper prints about its own study: participants, annotation counts, scores, consistencies, response times."""

from typing import Final, NamedTuple


class Published(NamedTuple):
    """A published value and the section that prints it."""

    value: float
    section: str


PAPER: Final[dict[str, Published]] = {
    name: Published(value, section)
    for section, values in {
        "3.3": {
            "short_term_participants": 9402, "short_term_annotations": 38, "short_term_mean": 0.859,
            "long_term_participants": 3246, "long_term_annotations": 13, "long_term_mean": 0.778,
            "short_term_raw_mean": 0.875, "mean_correction": 0.016,
        },
        "4.1": {
            "short_term_human_consistency": 0.481, "long_term_human_consistency": 0.192,
            "short_term_consistency": 0.616, "long_term_consistency": 0.364,
            "short_term_consistency_each": 0.616, "long_term_consistency_each": 0.364,
        },
        "4.2": {"short_with_long": 0.305, "short_with_long_500": 0.333, "short_with_long_100": 0.303},
        # The two correlations of response time with score are printed without their sign and called negative.
        "4.3": {
            "short_with_long_pearson": 0.329, "rt_short_with_long": 0.291, "rt_t": -122.59,
            "short_term_rt_with_score": -0.307, "short_term_rt_s": 1.43, "short_term_false_rt_s": 3.17,
            "long_term_rt_with_score": -0.176, "long_term_rt_s": 3.37, "long_term_false_rt_s": 3.53,
        },
    }.items()
    for name, value in values.items()
}  # fmt: skip
"""Keyed as the rows of `study_table`. Participants are those who passed the controls."""

PARTICIPANTS: Final = int(PAPER["short_term_participants"].value)
RETURNING: Final = int(PAPER["long_term_participants"].value)
