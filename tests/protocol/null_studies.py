"""Studies in which nothing that `analyse` tests is so, drawn without the package's simulator.

People differ much in ability and pace, the able are quick; videos differ in memorability and response time. But neither
lag nor delay matters, and a video's short-term score, long-term score and response times in the two steps are drawn
independently. So every p-value should be below .05 in one study of twenty.
"""

from collections.abc import Iterator
from functools import cache

import numpy as np
from scipy import stats

from videomem_hf.protocol.annotations import TARGET, Annotations
from videomem_hf.protocol.design import Controls, StudyDesign
from videomem_hf.protocol.plan import plan_design
from videomem_hf.protocol.schedule import ROLES, draw_step1, draw_step2
from videomem_hf.protocol.scoring import score_study
from videomem_hf.protocol.study_analysis import analyse_study
from videomem_hf.protocol.study_table import study_rows

ABILITY_SD, PACE_SD = 0.12, 0.35
"""Of a person's recognition rate, and of the logarithm of their response times."""
SHOWING_MS = 8000
ORDERS = 40
EVERYONE_PASSES = Controls(0.0, 1.0, 1.0, 0.0, step2_recognition_above_false_alarms=False)


@cache
def null_design(clips: int = 62) -> StudyDesign:
    """The paper's design for this number of clips, with controls that nobody fails."""
    planned = plan_design(clips)
    return StudyDesign(planned.step1, planned.step2, planned.presentation, EVERYONE_PASSES)


@cache
def orders(design: StudyDesign, step: int) -> list[list[tuple[int, int, bool]]]:
    """Slot, role and repeat of each showing, in several orders."""
    draw = draw_step1 if step == 1 else draw_step2
    return [
        [(showing.slot, ROLES.index(showing.role), showing.repeat) for showing in draw(design, seed)]
        for seed in range(ORDERS)
    ]


def draw_null_study(seed: int, people: int, returning: int, videos: int = 60) -> Annotations:
    """A study of `people` in step 1, the first `returning` of whom play step 2."""
    draw, design = np.random.default_rng([seed, 17]), null_design(videos + 2)
    first, second = design.step1, design.step2
    ability, pace = draw.multivariate_normal([0, 0], [[1, -0.6], [-0.6, 1]], people).T * [[ABILITY_SD], [PACE_SD]]
    strength = np.stack([0.8 + 0.06 * draw.standard_normal(videos), 0.7 + 0.09 * draw.standard_normal(videos)])
    slowness = stats.zscore(draw.standard_normal((2, videos)), axis=1) * 0.1
    rows: list[tuple[int, ...]] = []
    numbers: list[tuple[float, int]] = []
    for who in range(people):
        chosen = draw.permutation(videos)
        fillers = chosen[first.targets + first.vigilance_fillers : first.videos]
        later = np.r_[draw.permutation(fillers)[: second.targets], chosen[first.videos :]]
        clock = 1_780_000_000_000 + int(draw.integers(30 * 86_400_000))
        for step in (1, 2) if who < returning else (1,):
            order = orders(design, step)[draw.integers(ORDERS)]
            if step == 2:
                clock += int(draw.uniform(24.5, 71.5) * 3_600_000)
            for position, (slot, role, repeat) in enumerate(order, start=1):
                video = (chosen if step == 1 else later)[slot]
                rate = np.clip(strength[step - 1, video] + ability[who], 0.03, 0.97) if repeat else 0.08
                pressed = draw.random() < rate
                rt_ms = 1400 * np.exp(pace[who] + slowness[step - 1, video] + 0.4 * draw.standard_normal())
                rows.append((who, step, position, video, role, repeat, pressed))
                numbers.append((float(np.clip(rt_ms, 150, 6900)) if pressed else np.nan, clock))
                clock += SHOWING_MS
    who, step, position, video, role, repeat, pressed = np.array(rows).T
    rt_ms, times = np.array(numbers).T
    return Annotations(
        participants=tuple(f"p{number}" for number in range(people)),
        videos=tuple(f"video{number}" for number in range(1, videos + 1)),
        participant=who.astype(np.int32),
        step=step.astype(np.int8),
        position=position.astype(np.int32),
        video=video.astype(np.int32),
        role=role.astype(np.int8),
        repeat=repeat.astype(bool),
        pressed=pressed.astype(bool),
        rt_ms=rt_ms.astype(np.float32),
        time=times.astype(np.int64).astype("datetime64[ms]"),
        missing=np.zeros(len(rows), np.int8),
    )


def p_values(study: Annotations, videos: int = 60) -> dict[str, float]:
    """Every p-value that the report prints, by the name of its row."""
    scores = score_study(study, null_design(videos + 2))
    found = {row.name: row.p_value for row in study_rows(analyse_study(study, scores, splits=1))}
    return {name: value for name, value in found.items() if value is not None}


def naive_p_values(study: Annotations) -> dict[str, float]:
    """The same tests, had each response or video come from people of its own."""
    hours = (study.time - study.time[0]) / np.timedelta64(1, "h")
    end = np.full(len(study.participants), -np.inf)
    np.maximum.at(end, study.participant[study.step == 1], hours[study.step == 1])
    delay = np.full(len(end), np.inf)
    np.minimum.at(delay, study.participant[study.step == 2], hours[study.step == 2])
    delay -= end
    parts = {step: (study.step == step) & (study.role == TARGET) & study.repeat for step in (1, 2)}
    rates, times = {}, {}
    for step, rows in parts.items():
        with np.errstate(invalid="ignore"):
            count = np.bincount(study.video[rows], minlength=len(study.videos))
            rates[step] = np.bincount(study.video[rows], study.pressed[rows], len(study.videos)) / count
            hits = rows & study.pressed
            sums = np.bincount(study.video[hits], study.rt_ms[hits], len(study.videos))
            times[step] = sums / np.bincount(study.video[hits], minlength=len(study.videos))
    linear = {name: stats.linregress(x, study.pressed[parts[step]]).pvalue for name, step, x in (
        ("lag_slope", 1, study.lag[parts[1]]), ("delay_slope", 2, delay[study.participant[parts[2]]]),
    )}  # fmt: skip
    pairs = {
        "short_with_long": (stats.spearmanr, rates[1], rates[2]),
        "short_with_long_pearson": (stats.pearsonr, rates[1], rates[2]),
        "short_term_rt_with_score": (stats.pearsonr, times[1], rates[1]),
        "long_term_rt_with_score": (stats.pearsonr, times[2], rates[2]),
        "rt_short_with_long": (stats.pearsonr, times[1], times[2]),
        "rt_t": (stats.ttest_rel, times[1], times[2]),
    }
    known = {name: np.isfinite(x) & np.isfinite(y) for name, (_, x, y) in pairs.items()}
    return linear | {name: float(test(x[known[name]], y[known[name]]).pvalue) for name, (test, x, y) in pairs.items()}


def false_positives(studies: int, people: int, returning: int, first_seed: int = 0) -> Iterator[dict[str, list[float]]]:
    """Of each test the p-values as printed and naive, study by study."""
    for seed in range(first_seed, first_seed + studies):
        study = draw_null_study(seed, people, returning)
        printed, naive = p_values(study), naive_p_values(study)
        assert set(naive) == set(printed)
        yield {name: [printed[name], naive[name]] for name in printed}
