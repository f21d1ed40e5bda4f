"""The README.md card of a prepared dataset repository: its YAML makes it load, its text says what it is."""

import re
from collections.abc import Mapping
from typing import Any, Final

from huggingface_hub import DatasetCard, DatasetCardData

from videomem_hf.data.feature_files.folders import FRAMES
from videomem_hf.schema import ANNOTATION_COUNTS, HORIZON_NAMES, HORIZONS
from videomem_hf.system import templates

from .provenance import CARD_KEY, STUDY_KEY, TABLE_KEY, Plan

_COLUMNS: Final = {
    "c3d": "101 numbers that sum to 1: the C3D network's softmax over the classes of UCF-101. Dropout was left on when "
    "the release was made.",
    "hmp": "6,075 numbers that sum to 1: the histogram of motion patterns.",
    "lbp": "per frame, up to 122 numbers that sum to 1, uniform local binary patterns (a pattern that never occurs may "
    "be missing, so positions can shift).",
    "hog": "per frame, histograms of oriented gradients, of varying length; positions carry no meaning.",
    "inceptionv3": "per frame, 1,000 activations over the ImageNet classes, 0 where the release lists none.",
    "colorhistogram": "per frame, 3 channels of 256 counts. The release labels the channels R, G, B; the frame had "
    "been R/B-swapped.",
    "orb": "per frame, a list of keypoints. As released, all of a frame's carry the first one's descriptor.",
    "aesthetics_mean": "109 numbers, the mean over frames.",
    "aesthetics_median": "109 numbers, the median over frames.",
}

CITED: Final = (
    "Romain Cohendet, Claire-Hélène Demarty, Ngoc Q. K. Duong, Martin Engilberge: VideoMem: Constructing, Analyzing, "
    "Predicting Short-Term and Long-Term Video Memorability. ICCV 2019."
)
_IDENTITY: Final[dict[str, Any]] = {
    "pretty_name": "VideoMem",
    "license": "other",
    "license_name": "videomem-recipients-only",
    "tags": ["video", "memorability", "private-use-only"],
}
_STUDY_IDENTITY: Final[dict[str, Any]] = {
    "pretty_name": "Video memorability, a study",
    "license": "other",
    "license_name": "as-the-participants-agreed",
    "tags": ["video", "memorability"],
    STUDY_KEY: True,
}
_GENERATED_IDENTITY: Final[dict[str, Any]] = {
    "pretty_name": "Video memorability, a generated sample",
    "license": "apache-2.0",
    "tags": ["video", "memorability", "synthetic"],
}


def render_card(description: Mapping[str, Any]) -> str:
    """Write the card.

    Args:
        description: `configs` (configuration -> split -> `num_bytes`, `num_examples`, `size`), `features`
            (configuration -> columns), `release` (None for a table of one's own, then with `title`, `table` (see
            `own_table`), `horizons`, and `extras`, its own columns), `options` of `prepare`, `generated` (see
            `generated_plan`) and `study` (see `is_study`).
    """
    if description["release"] is None:
        return _render_table_card(description)
    template = templates("videomem_hf.data").get_template("dataset_card.md.j2")
    text = template.render(
        front_matter=_card_data(
            description["configs"], _identity(description["generated"], description["study"])
        ).to_yaml(),
        generated=description["generated"],
        study=description["study"],
        release=description["release"],
        configs=_config_table(description["configs"]),
        columns=_column_list(description["features"]),
        frames=", ".join(map(str, FRAMES)),
        splits=_split_text(description["options"], description["release"]),
    )
    return str(DatasetCard(text))


def describe_for_croissant(description: Mapping[str, Any]) -> dict[str, str]:
    """Name, description and licence of what `render_card` describes, as Croissant has them."""
    if description["release"] is None:
        about = description["table"] or {"title": description["title"], "license": None, "citation": None}
        name, license_ = about["title"], about["license"] or "not stated"
        text, cited = f"Memorability scores: {', '.join(description['horizons'])}.", about["citation"]
    else:
        identity = _identity(description["generated"], description["study"])
        name, license_ = identity["pretty_name"], identity.get("license_name", identity["license"])
        kind = "Generated videos" if description["generated"] is not None else "Videos"
        text, cited = f"{kind} with the share of people who recognised them after minutes and after 1 to 3 days.", CITED
    return {"name": name, "description": text, "license": license_} | ({"citeAs": cited} if cited else {})


def _render_table_card(description: Mapping[str, Any]) -> str:
    about = description["table"] or {"title": description["title"], "license": None, "citation": None}
    identity = {
        "pretty_name": about["title"], **_license_of(about["license"]), "tags": ["memorability"], TABLE_KEY: about
    }  # fmt: skip
    options = description["options"]
    lists = ", ".join(f"`{name}`" for name in options["split_files"] or ())
    text = (
        templates("videomem_hf.data")
        .get_template("table_card.md.j2")
        .render(
            front_matter=_card_data(description["configs"], identity).to_yaml(),
            title=about["title"],
            license=about["license"],
            citation=about["citation"],
            configs=_config_table(description["configs"]),
            horizons=" and ".join(f"`{name}`" for name in description["horizons"]),
            counts=" and ".join(f"`{ANNOTATION_COUNTS[name]}`" for name in description["horizons"]),
            extras=", ".join(f"`{name}`" for name in description["extras"]),
            splits=f"{lists}: from lists that the preparer gave."
            if lists
            else "Those of the table, if it says them; else the scored rows are divided into `train` and `validation` "
            f"(6,500 to 1,500) by a shuffle with seed {options['seed']}, and `test` has those without a score.",
        )
    )
    return str(DatasetCard(text))


def _license_of(text: str | None) -> dict[str, str]:
    """A licence as the Hub has it: one of its short names, or another with its own."""
    if text is None:
        return {"license": "other"}
    return {"license": text} if re.fullmatch(r"[a-z0-9.-]+", text) else {"license": "other", "license_name": text}


def _identity(generated: Plan | None, study: bool) -> Mapping[str, Any]:
    if generated is not None:
        return {**_GENERATED_IDENTITY, CARD_KEY: generated}
    return _STUDY_IDENTITY if study else _IDENTITY


def _card_data(configs: Mapping[str, Any], identity: Mapping[str, Any]) -> DatasetCardData:
    default = "scores" if "scores" in configs else next(iter(configs))
    return DatasetCardData(
        **identity,
        task_categories=["video-classification"],
        configs=[
            {
                "config_name": config,
                **({"default": True} if config == default else {}),
                "data_files": [{"split": split, "path": f"{config}/{split}-*.parquet"} for split in splits],
            }
            for config, splits in configs.items()
        ],
        dataset_info=[
            {
                "config_name": config,
                "splits": [
                    {"name": split, "num_bytes": counts["num_bytes"], "num_examples": counts["num_examples"]}
                    for split, counts in splits.items()
                ],
                "download_size": sum(counts["size"] for counts in splits.values()),
                "dataset_size": sum(counts["num_bytes"] for counts in splits.values()),
            }
            for config, splits in configs.items()
        ],
    )


def _config_table(configs: Mapping[str, Any]) -> str:
    splits = list(next(iter(configs.values())))
    lines = [f"| configuration | {' | '.join(splits)} | size |", "|---" * (len(splits) + 2) + "|"]
    for config, counts in configs.items():
        rows = " | ".join(f"{counts[split]['num_examples']:,}" for split in splits)
        size = sum(split["size"] for split in counts.values()) / 1e6
        lines.append(f"| `{config}` | {rows} | {size:,.1f} MB |")
    return "\n".join(lines)


def _column_list(features: Mapping[str, list[str]]) -> str:
    columns = [column for names in features.values() for column in names]
    return "\n".join(
        f"- `{column}`: {_COLUMNS.get(column, 'a feature of the copy, as its files have it.')}" for column in columns
    )


def _split_text(options: Mapping[str, Any], release: str) -> str:
    if options["split_files"]:
        names = ", ".join(f"`{name}`" for name in options["split_files"])
        return f"{names}: from lists that the preparer gave."
    if release == "2022":
        return "The official splits of the 2022 release."
    lines = [
        f"The labelled videos are divided into `train` and `validation` in the paper's proportion (6,500 to 1,500), by "
        f"a shuffle with seed {options['seed']}: the paper does not publish its division. `test` is the release's own."
    ]
    if options["group_titles"]:
        lines.append("Videos with the same or nearly the same title are in one split.")
    if options["most_annotated"]:
        count = options["most_annotated"]
        kind = HORIZON_NAMES[by] if (by := options["most_annotated_by"]) in HORIZONS else "short- and long-term"
        lines.append(f"`test{count}` has the {count} labelled videos with the most {kind} annotations.")
    return "\n".join(lines)
