"""Damaged files beside a model's weights: one sentence that names file and field, or a number that can be right."""

import copy
import json
import math
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from videomem_hf.inference.frame_noise import FrameNoise
from videomem_hf.inference.reference import Reference, make_reference, parse_reference
from videomem_hf.inference.saliency import maps_pass
from videomem_hf.inference.typicality import Typicality
from videomem_hf.schema import HORIZONS, InputError

QUICKLY = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
CHECKS = {"method": "Grad-CAM", "sanity": {"head": 0.1, "all": 0.2}, "agreement": 0.3, "frames": 16}


@cache
def stored() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    measured = rng.uniform(0.5, 1, (60, 2))
    about = Reference("a set of mine", split="validation", maps=CHECKS)
    noise = dict.fromkeys(HORIZONS, FrameNoise(0.01, 0.5))
    predicted = np.clip(measured + rng.normal(0, 0.05, measured.shape), 0, 1)
    reference = make_reference(about, predicted, measured, np.full((60, 2), 30.0), HORIZONS, noise)
    return json.loads(reference.to_json())


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something lies in a structure, of long lists a few."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        if not isinstance(key, int) or key in (0, 1, 50, 100):
            yield (*path, key)
            yield from places(each, (*path, key))


def changed(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """What is stored, with something else in one place; `...` takes it away."""
    whole = copy.deepcopy(stored())
    inner: Any = whole
    for key in path[:-1]:
        inner = inner[key]
    if value is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return whole


def load_or_refuse(load: Callable[[Path], Any], path: Path) -> Any:
    """What a file holds; None where it is refused with a sentence that names the file. Raises whatever else happens."""
    try:
        return load(path)
    except InputError as error:
        if not str(error).startswith(f"{path}: is damaged (") or "\n" in str(error):
            raise
    return None


NUMBERS = st.sampled_from([0, -1, 2, 0.5, 1e308, 10**400, math.nan, math.inf, -math.inf, -0.0, 1e-320])
ODD = st.one_of(NUMBERS, st.sampled_from([..., None, True, "", "0.5", "\ud800", [], {}, [[]], [0.5] * 101, {"x": 1}]))


@QUICKLY
@given(path=st.sampled_from(list(places(stored()))), value=ODD, score=st.floats(0, 1))
def test_a_damaged_reference_is_refused_or_still_gives_numbers_in_range(
    path: tuple[Any, ...], value: Any, score: float, tmp_path: Path
) -> None:
    file = tmp_path / "reference.json"
    file.write_text(json.dumps(changed(path, value)))
    reference = load_or_refuse(parse_reference, file)
    if reference is None:
        return
    scores = dict.fromkeys(HORIZONS, score)
    assert all(0 <= percent <= 100 for percent in reference.percentiles(scores).values())
    assert reference.standing(50.0)
    for low, high in (reference.intervals(scores) or {}).values():
        assert 0 <= low <= score <= high <= 1
    for fit in reference.fits.values():
        assert np.isfinite(fit.ends([score], [20.0])).all()
    assert all(error >= 0 for error in reference.difference_error.values())
    assert maps_pass(reference.maps) in (True, False)
    again = tmp_path / "again.json"
    again.write_text(reference.to_json())
    assert parse_reference(again) == reference


@QUICKLY
@given(data=st.data())
def test_a_reference_that_is_cut_off_or_overwritten_is_refused_or_read(data: st.DataObject, tmp_path: Path) -> None:
    content = json.dumps(stored()).encode()
    start = data.draw(st.integers(0, len(content)))
    file = tmp_path / "reference.json"
    file.write_bytes(content[:start] + data.draw(st.binary(max_size=8)) + content[data.draw(st.integers(start)) :])
    load_or_refuse(parse_reference, file)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("data",), 3, "data is 3; it must be a text"),
        (("fits", "short_term", "level"), 2, "fits.short_term.level is 2; it must be a number from 0.01 to 0.999"),
        (("fits", "short_term", "level"), 0.8, "level of one horizon's fit is [0.8, 0.9]; it must be that of all"),
        (("fits", "long_term", "scale"), ..., "fits.long_term.scale is missing; it must be a JSON object"),
        (("fits", "short_term", "lines", 1), [0.1], "fits.short_term.lines[1] is [0.1]; it must be a list of 2"),
        (
            ("quantiles", "a day"),
            [0.5] * 101,
            "a horizon in quantiles is 'a day'; it must be a name such as",
        ),
        (("quantiles", "short_term"), [0.5] * 9, "quantiles.short_term is a list of 9; it must be a list of 101"),
        (("quantiles", "long_term", 50), 0.0, "quantiles.long_term[50] is 0.0; it must be no lower than the number"),
        (("quantiles", "long_term", 0), math.nan, "quantiles.long_term[0] is nan; it must be a number from 0 to 1"),
        (("difference_error", "long_term"), -0.1, "difference_error.long_term is -0.1; it must be a number from 0 to"),
        (("frame_noise", "short_term", "sd"), "0.1", "frame_noise.short_term.sd is '0.1'; it must be a number"),
        (("trained_on",), "films", "trained_on is 'films'; it must be one of videomem, lamem, both"),
        (("clips",), True, "clips is True; it must be a whole number, 0 or more"),
        (("maps", "sanity", "all"), None, "maps.sanity.all is None; it must be a number from -1 to 1"),
    ],
)
def test_the_sentence_names_the_field(path: tuple[Any, ...], value: Any, said: str, tmp_path: Path) -> None:
    file = tmp_path / "reference.json"
    file.write_text(json.dumps(changed(path, value)))
    with pytest.raises(InputError) as caught:
        parse_reference(file)
    assert str(caught.value).startswith(f"{file}: is damaged ({said}")
    assert "fetch it or train the model again, or remove it" in str(caught.value)


@pytest.mark.parametrize("score", [0.8, 1.0, 0.0])
def test_the_reference_of_a_constant_predictor_is_read(score: float, tmp_path: Path) -> None:
    """Sixty times .8 have a standard deviation of 3e-16, by rounding."""
    measured = np.random.default_rng(0).uniform(0.5, 1, (60, 2))
    made = make_reference(Reference("a set of mine"), np.full((60, 2), score), measured, None, HORIZONS)
    (tmp_path / "reference.json").write_text(made.to_json())
    assert parse_reference(tmp_path / "reference.json") == made


def test_unknown_keys_are_ignored(tmp_path: Path) -> None:
    file = tmp_path / "reference.json"
    file.write_text(json.dumps(stored()))
    known = parse_reference(file)
    for path in (("kind",), ("fits", "short_term", "typical_quantiles"), ("frame_noise", "long_term", "of_later")):
        file.write_text(json.dumps(changed(path, {"x": 1})))
        assert parse_reference(file) == known
    assert known.to_dict()["maps"] == CHECKS
    file.write_text("[" * 100_000)
    with pytest.raises(InputError, match="cannot be read as JSON"):
        parse_reference(file)


@pytest.fixture(scope="module")
def typical(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    training, held_out = ({"a": rng.normal(size=(n, 6)), "b": rng.normal(size=(n, 3))} for n in (60, 30))
    typicality = Typicality.fit(training, held_out)
    assert typicality is not None
    path = tmp_path_factory.mktemp("typical") / "typicality.safetensors"
    typicality.save(path)
    return path


DAMAGE = {
    "a number that is not finite": lambda tensor: np.where(
        np.arange(tensor.size).reshape(tensor.shape), tensor, -np.inf
    ),
    "a number below 0": lambda tensor: np.full_like(tensor, -1),
    "no numbers": lambda tensor: tensor.astype(bool),
    "one number too few": lambda tensor: np.ascontiguousarray(tensor[:-1]),
    "another rank": lambda tensor: np.ascontiguousarray(tensor[None]),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_typical_clips_are_refused_or_still_give_a_share(damage: str, typical: Path, tmp_path: Path) -> None:
    path, tensors = tmp_path / "typicality.safetensors", load_file(typical)
    refused = []
    for name, tensor in tensors.items():
        save_file(tensors | {name: DAMAGE[damage](tensor)}, path)
        found = load_or_refuse(Typicality.load, path)
        if found is None:
            refused.append(name)
        else:
            share = found.percent({"a": np.zeros((1, 6)), "b": np.zeros((1, 3))})
            assert share is not None
            assert 0 < share <= 100
    # Means and directions may be below 0, and a held-out clip less is one less.
    kept = {"a number below 0": {"/mean", "/directions"}, "one number too few": {"held_out"}}.get(damage, set())
    assert {name for name in tensors if not name.endswith(tuple(kept))} <= set(refused) if kept else len(refused) == 13


def test_a_typicality_file_that_lacks_something_is_refused(typical: Path, tmp_path: Path) -> None:
    path, tensors = tmp_path / "typicality.safetensors", load_file(typical)
    for name in tensors:
        save_file({other: tensor for other, tensor in tensors.items() if other != name}, path)
        with pytest.raises(InputError, match=r"is damaged \(.*; fetch it or train the model again"):
            Typicality.load(path)
    save_file(tensors | {"note": np.zeros(3)}, path)
    assert list(Typicality.load(path).fits) == ["a", "b"]
    for end in (0, 7, 100, typical.stat().st_size - 1):
        path.write_bytes(typical.read_bytes()[:end])
        with pytest.raises(InputError, match="is damaged"):
            Typicality.load(path)
