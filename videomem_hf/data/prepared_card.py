"""The README.md card of a prepared dataset repository: its YAML makes it load, its text says what it is."""

from collections.abc import Mapping
from typing import Any, Final

import yaml

from .feature_folders import FRAMES

_COLUMNS: Final = {
    "c3d": "101 numbers that sum to 1: the C3D network's softmax over the classes of UCF-101. Dropout was left on when "
    "the release was made.",
    "hmp": "6,075 numbers that sum to 1: the histogram of motion patterns.",
    "lbp": "a frame: up to 122 numbers that sum to 1, uniform local binary patterns (a pattern that never occurs may "
    "be missing, so positions can shift).",
    "hog": "a frame: histograms of oriented gradients, of varying length; positions carry no meaning.",
    "inceptionv3": "a frame: 1,000 activations over the ImageNet classes, 0 where the release lists none.",
    "colorhistogram": "a frame: 3 channels of 256 counts. The release labels the channels R, G, B; the frame had been "
    "R/B-swapped.",
    "orb": "a frame: a list of keypoints. As released, all of a frame's carry the first one's descriptor.",
    "aesthetics_mean": "109 numbers, the mean over frames.",
    "aesthetics_median": "109 numbers, the median over frames.",
}

_TEXT: Final = """\
# VideoMem ({release} release), prepared for `datasets`

Video memorability: 7-second videos with the share of people who recognised them a few minutes (`short_term`) and 24 to
72 hours (`long_term`) after they had first seen them.

> **Licence: private use only.** VideoMem is licensed to each recipient for research and may not be passed on. This copy
> was made by a recipient for their own use. Keep the repository **private**, and do not share access beyond what your
> own licence allows.

```python
from datasets import load_dataset

scores = load_dataset("path/to/this/folder", "scores")
```

To push it as a private dataset, in this folder:

```
hf upload USER/NAME . . --type dataset --private --exclude ".prepare.json"
```

(`--private` has an effect only when the command makes the repository: look before pushing to one that exists.)

## Configurations

{configs}

Every configuration has `video_id`, `title` (words joined by hyphens; null where the copy had none), `short_term` and
`long_term` (in [0, 1], float64, as the release has them to the digit; null in `test`, whose scores were never released)
and `short_term_annotations` and `long_term_annotations` (participants behind each score).
{columns}
An entry is null where the copy had no file for it.

## Splits

{splits}

## Checking

`SHA256SUMS` has the checksum of every file: `sha256sum -c SHA256SUMS`.

## Citation

```bibtex
@inproceedings{{cohendet2019videomem,
  title     = {{VideoMem: Constructing, Analyzing, Predicting Short-Term and Long-Term Video Memorability}},
  author    = {{Cohendet, Romain and Demarty, Claire-Hélène and Duong, Ngoc Q. K. and Engilberge, Martin}},
  booktitle = {{Proceedings of the IEEE/CVF International Conference on Computer Vision (ICCV)}},
  year      = {{2019}}
}}
```
"""


def render_card(description: Mapping[str, Any]) -> str:
    """Write the card.

    Args:
        description: `configs` (configuration -> split -> `num_bytes`, `num_examples`, `size`), `features`
            (configuration -> columns), `release`, and the `options` of `prepare`.
    """
    text = _TEXT.format(
        release=description["release"],
        configs=_config_table(description["configs"]),
        columns=_column_list(description["features"]),
        splits=_split_text(description["options"], description["release"]),
    )
    front = yaml.safe_dump(_front_matter(description["configs"]), sort_keys=False, allow_unicode=True)
    return f"---\n{front}---\n\n{text}"


def _front_matter(configs: Mapping[str, Any]) -> dict[str, Any]:
    default = "scores" if "scores" in configs else next(iter(configs))
    return {
        "pretty_name": "VideoMem",
        "license": "other",
        "license_name": "videomem-recipients-only",
        "tags": ["video", "memorability", "private-use-only"],
        "configs": [
            {
                "config_name": config,
                **({"default": True} if config == default else {}),
                "data_files": [{"split": split, "path": f"{config}/{split}-*.parquet"} for split in splits],
            }
            for config, splits in configs.items()
        ],
        "dataset_info": [
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
    }


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
    if not columns:
        return ""
    frames = ", ".join(map(str, FRAMES))
    lines = [
        f"- `{column}`: {_COLUMNS.get(column, 'a feature of the copy, as its files have it.')}" for column in columns
    ]
    return f"\nFeatures (those of frames have one entry a frame, {frames}):\n\n" + "\n".join(lines) + "\n"


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
        lines.append(f"`test{count}` has the {count} labelled videos with the most long-term annotations.")
    return "\n".join(lines)
