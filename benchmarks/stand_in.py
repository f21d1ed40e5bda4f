"""A stand-in for VideoMem's scores: generated titles, concept scores and annotations, without any of the real data.

It agrees with the release in published facts: 8,000 videos, means and standard deviations of the scores, annotation
counts (short-term 30 to 100, long-term 9 to 40), the correlation of true short- and long-term memorability (.74), and
about one video in seven that shares its title with another. True memorability is a smooth random function of the title
embedding and the concept scores, plus an unexplained part of each video. The sizes of these parts are chosen so that
kernel ridge regression reaches about the published correlations. The data are thus good for measuring speed and
coverage and for checking that the parts work together, but not for the accuracy of a predictor on VideoMem.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

FEATURE_SIZES = {
    "c3d": 101, "hmp": 6075, "lbp": 122, "hog": 1152, "color_histogram": 768, "inceptionv3": 1000, "aesthetics": 109,
    "orb": 256, "resnet": 2048,
}  # fmt: skip
"""Numbers of nine features, as many and as large as the release's and what is derived from it."""
_WORDS = {
    "subject": """woman man girl boy couple family baby child businessman doctor chef dancer runner student farmer
        surfer tourist dog cat horse cow bird butterfly fish elephant lion bee spider owl car train boat
        bicycle airplane bus truck drone pizza cake coffee salad wine bread fruit tree flower forest
        mountain river lake waterfall beach ocean desert clouds skyline bridge castle street market church
        temple kitchen sofa bed laptop phone book guitar piano clock""",
    "adjective": """young old beautiful happy sad little big red blue green white black colorful modern ancient wild
        cute funny busy empty foggy snowy sunny rainy dark bright hot cold fresh delicious lonely romantic
        senior""",
    "action": """walking running lying sitting eating drinking cooking smiling talking dancing playing working
        reading swimming flying driving floating relaxing making-tea holding-hands using-tablet doing-yoga
        wearing-hat taking-photo looking-at-camera moving blooming shining falling growing burning opening
        closing spinning waving""",
    "place": """at-home in-the-kitchen on-the-beach in-the-park in-the-city on-green-screen in-the-forest in-the-
        mountains at-the-office at-sunset at-night in-winter in-autumn under-water on-white-background in-
        the-garden at-the-gym in-the-desert by-the-lake near-the-river on-a-street in-a-studio in-slow-
        motion from-above in-the-rain""",
    "shot": "aerial-view close-up portrait time-lapse panoramic-view steadicam-shot macro wide-shot pov",
}
WORDS = {kind: text.split() for kind, text in _WORDS.items()}
_FOREIGN = """quarterly tax return of a limited company; appendix b to the lease; segmentation fault in thread 4
    proof of the second lemma; integer overflow in the parser; minutes of the board meeting; dosage of ibuprofen in mg
    clause 7 subsection 2 of the treaty; eigenvalues of a hermitian matrix; terms and conditions apply
    invoice number 20391 overdue; the covalent bond of nitrogen; patch notes of version 3.2; asdf qwer zxcv uiop
    error 404 page not found; password must have eight characters; gross domestic product per capita
    unit tests of the compiler; the mitochondrial membrane potential; bill of lading and customs form"""
FOREIGN_TITLES = [title.strip() for line in _FOREIGN.splitlines() for title in line.split(";")]
"""Of no video."""


@dataclass(frozen=True)
class StandIn:
    """Generated data of `clips` videos.

    Attributes:
        titles: As in the release.
        concepts: `(clips, 80)` in [0, 1], many of them 0.
        scores: `(clips, 2)`.
        counts: `(clips, 2)`.
        truth: `(clips, 2)`, the true memorability.
    """

    titles: list[str]
    concepts: np.ndarray
    scores: np.ndarray
    counts: np.ndarray
    truth: np.ndarray


def make_titles(clips: int, generator: np.random.Generator) -> list[str]:
    """Draw titles; about one in seven repeats another, sometimes with one more word."""
    titles: list[str] = []
    for _ in range(clips):
        if titles and generator.random() < 0.1:
            old = titles[generator.integers(len(titles))]
            titles.append(old if generator.random() < 0.6 else f"{old}-{generator.choice(WORDS['adjective'])}")
            continue
        parts = [str(generator.choice(WORDS["shot"])) + "-of"] if generator.random() < 0.3 else []
        parts += [str(generator.choice(WORDS["adjective"]))] if generator.random() < 0.6 else []
        parts += [str(generator.choice(WORDS["subject"]))]
        parts += [str(generator.choice(WORDS["action"]))] if generator.random() < 0.7 else []
        parts += ["with-" + str(generator.choice(WORDS["subject"]))] if generator.random() < 0.35 else []
        parts += [str(generator.choice(WORDS["place"]))] if generator.random() < 0.75 else []
        titles.append("-".join(parts))
    return titles


def make_concepts(embeddings: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Draw 80 detector scores that partly follow what the title says."""
    clips = len(embeddings)
    shown = embeddings @ generator.normal(size=(embeddings.shape[1], 80)) / embeddings.std(axis=0).mean() / 19.6
    shown += 1.1 * generator.normal(size=(clips, 80))
    sure = 1 / (1 + np.exp(-2.5 * (shown - generator.uniform(0.5, 3.5, 80))))
    return np.where(sure > 0.05, np.round(sure, 4), 0.0)


def make_features(data: StandIn, seed: int = 0) -> dict[str, np.ndarray]:
    """Nine features of the release's sizes, non-negative, that follow true memorability a little; float32."""
    generator = np.random.default_rng(seed)
    drive = (data.truth - data.truth.mean(axis=0)) / data.truth.std(axis=0)
    features = {}
    for name, size in FEATURE_SIZES.items():
        bells = 0.3 * drive @ generator.normal(size=(2, 16)) + generator.normal(size=(len(drive), 16))
        spread = bells @ generator.normal(size=(16, size)) / 4 + generator.normal(size=(len(drive), size))
        shares = np.exp(spread.astype(np.float32))
        features[name] = shares / shares.sum(axis=1, keepdims=True)
    return features


def smooth_function(x: np.ndarray, generator: np.random.Generator, scale: float, features: int = 1500) -> np.ndarray:
    """A draw from a Gaussian process with an RBF kernel by random Fourier features, standardised; `(clips,)`."""
    squares = ((x[:1000, None] - x[None, 1000:1400]) ** 2).sum(axis=2)
    frequencies = generator.normal(size=(x.shape[1], features)) * np.sqrt(2 * scale / np.median(squares))
    values = np.cos(x @ frequencies + generator.uniform(0, 2 * np.pi, features)) @ generator.normal(size=features)
    return (values - values.mean()) / values.std()


def make_stand_in(
    embeddings_of: Callable[[list[str]], np.ndarray],
    clips: int = 8000,
    seed: int = 0,
    title_part: float = 0.52,
    concept_part: float = 0.42,
) -> StandIn:
    """Make the data; `embeddings_of` turns titles into an array `(clips, size)`.

    Args:
        embeddings_of: A sentence encoder.
        clips: How many.
        seed: The data are a function of it.
        title_part, concept_part: Variances of the parts of true memorability that title and concepts explain.
    """
    generator = np.random.default_rng(seed)
    titles = make_titles(clips, generator)
    x = np.asarray(embeddings_of(titles), float)
    concepts = make_concepts(x, generator)
    roots = np.sqrt(concepts)
    shared = np.sqrt(title_part) * smooth_function(x, generator, 1.0) + np.sqrt(concept_part) * smooth_function(
        roots, generator, 1.0
    )
    own = [
        np.sqrt(title_part) * smooth_function(x, generator, 1.0)
        + np.sqrt(concept_part) * smooth_function(roots, generator, 1.0)
        for _ in range(2)
    ]
    idiosyncratic = generator.multivariate_normal([0, 0], [[1, 0.74], [0.74, 1]], clips)
    truth = np.empty((clips, 2))
    for horizon, (mean, sd) in enumerate(((0.859, 0.0614), (0.779, 0.0857))):
        explained = np.sqrt(0.74) * shared + np.sqrt(0.26) * own[horizon]
        drive = np.sqrt(0.62) * explained / explained.std() + np.sqrt(0.38) * idiosyncratic[:, horizon]
        truth[:, horizon] = np.clip(mean + sd * drive, 0.05, 0.995)
    counts = np.stack(
        [np.clip(30 + generator.gamma(1.2, 6.5, clips), 30, 100), np.clip(9 + generator.gamma(0.9, 4.5, clips), 9, 40)],
        1,
    ).astype(int)
    scores = generator.binomial(counts, truth) / counts
    return StandIn(titles, concepts, scores, counts.astype(float), truth)
