"""`videomem train` and `videomem recipes`: options, what is next, and estimates."""

import pytest
import typer
from typer.testing import CliRunner

from videomem_hf.benchmark.recipe_costs import LAMEM_IMAGES, recipe_costs
from videomem_hf.cli import app
from videomem_hf.cli.options import complete_recipe
from videomem_hf.cli.train import _offer_no_titles, repeat_option
from videomem_hf.recipes import recipe_names, recipe_summary
from videomem_hf.schema import InputError


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("--set a=1 b=2 --resume", "--set a=1 --set b=2 --resume"),
        ("--data x --set a=1 --set b=2", "--data x --set a=1 --set b=2"),
        ("--data x y", "--data x y"),
        ("", ""),
    ],
)
def test_an_option_takes_several_values(given: str, expected: str) -> None:
    assert list(repeat_option("--set", given.split())) == expected.split()


@pytest.mark.parametrize("given", ["--set", "--set --resume", "--set --set a=1"])
def test_an_option_without_a_value_is_refused(given: str) -> None:
    with pytest.raises(typer.BadParameter, match="needs one or more KEY=VALUE"):
        list(repeat_option("--set", given.split()))


def test_what_best_does_not_take_is_refused() -> None:
    result = CliRunner().invoke(
        app, ["train", "--recipe", "best", "--data", "x", "--output", "y", "--max-train-time", "8h"]
    )
    assert str(result.exception) == "--max-train-time has no meaning for recipe best, which takes minutes; leave it out"
    result = CliRunner().invoke(
        app, ["train", "--recipe", "hmp", "--data", "x", "--output", "y", "--max-train-time", "8"]
    )
    assert result.exit_code == 2


@pytest.mark.parametrize(
    ("cause", "offered"), [("title:words needs sentence-transformers", True), ("d: no data", False)]
)
def test_training_without_titles_is_offered_where_their_encoder_is_the_cause(cause: str, offered: bool) -> None:
    error = _offer_no_titles(InputError(cause), "words")
    assert ("--set title_encoder=null" in str(error)) == offered
    assert _offer_no_titles(error, None) is error


def test_every_recipe_is_listed_with_its_needs() -> None:
    result = CliRunner().invoke(app, ["recipes", "--clips", "100"])
    assert result.exit_code == 0
    text = " ".join(result.output.split())
    for name in recipe_names():
        assert f"{name} {recipe_summary(name)}" in text
        assert "  " not in recipe_summary(name)
    assert "needs features c3d, hmp" in text
    assert text.count("LaMem: --lamem FOLDER") == 4
    assert "weights: `videomem convert resnet3d CHECKPOINT FOLDER`, then --init FOLDER" in text
    assert complete_recipe("c3d") == ["c3d", "c3d_hmp"]


def test_the_operations_of_a_training() -> None:
    """Of ResNet-152 torchvision says 11.51 billion multiplications for a frame of 224 x 224."""
    forward = 2 * 11.51e9 * (400 / 224) ** 2
    epochs = 10 + 3 * 10  # a backward pass costs two forward ones
    found = recipe_costs("semantic_embedding", 1000).flops
    assert found == pytest.approx(forward * (1000 + LAMEM_IMAGES) * epochs, rel=0.05)
    assert recipe_costs("hmp", 1000).flops is None
    assert recipe_costs("best", 1000).hours(1e9) is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["describe", ""], "is empty; name a folder"),
        (["train", "--recipe", "hmp", "--data", "x", "--output", ""], "is empty; name a folder"),
        (["train", "--recipe", "hmp", "--data", "x", "--output", "y", "--max-train-time", "0s"], "a time above 0"),
        (["recipes", "--clips", str(10**21)], "less than or equal to 100000000"),
    ],
)
def test_what_stands_for_nothing_is_refused(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert said in result.output
