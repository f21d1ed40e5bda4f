"""Titles are encoded once, whatever list they come in and process asks, and again where a vector is damaged."""

import sqlite3
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from videomem_hf.features import title_store, title_views
from videomem_hf.features.title_store import TitleStore
from videomem_hf.features.title_views import embed_titles
from videomem_hf.schema import InputError


class Spy:
    """A stub sentence encoder that notes what it is given: a title's length and its first letter."""

    def __init__(self) -> None:
        self.encoded: list[str] = []

    def encode(self, titles: list[str], **_: Any) -> np.ndarray:
        self.encoded += titles
        return np.array([[len(title), ord(title[0])] for title in titles], np.float32)


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Spy:
    made = Spy()
    monkeypatch.setattr(title_views, "load_encoder", lambda *_: made)
    monkeypatch.setattr(title_store, "TITLE_CACHE", tmp_path / "titles")
    return made


def _taken(spy: Spy) -> list[str]:
    taken, spy.encoded = spy.encoded, []
    return taken


def test_only_new_titles_are_encoded_in_whatever_list(spy: Spy) -> None:
    first = embed_titles(["a dog", "two cats", "a dog"])
    dog, cats = np.array([5, 97]) / np.hypot(5, 97), np.array([8, 116]) / np.hypot(8, 116)
    np.testing.assert_allclose(first, [dog, cats, dog], rtol=1e-6)
    assert _taken(spy) == ["a dog", "two cats"]
    np.testing.assert_array_equal(embed_titles(["two cats", "a dog"]), first[[1, 0]])
    assert _taken(spy) == []
    again = embed_titles(["a cow here", "a dog"])
    assert _taken(spy) == ["a cow here"]
    np.testing.assert_array_equal(again[1], first[0])


def test_another_encoder_has_vectors_of_its_own(spy: Spy, tmp_path: Path) -> None:
    for _ in range(2):
        embed_titles(["a dog"], "one")
        embed_titles(["a dog"], "two")
    assert _taken(spy) == ["a dog", "a dog"]
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights").write_text("1")
    embed_titles(["a dog"], str(folder))
    (folder / "weights").write_text("12")  # other weights under the same name
    embed_titles(["a dog"], str(folder))
    assert _taken(spy) == ["a dog", "a dog"]


class Network:
    """A transformer whose hidden layer n of a token is (n, token); words are tokens, numbered by their length."""

    config = SimpleNamespace(num_hidden_layers=6)
    device = "cpu"

    def __call__(self, input_ids: torch.Tensor, output_hidden_states: bool, **_: torch.Tensor) -> Any:
        tokens = input_ids.float()
        states = [torch.stack([torch.full_like(tokens, number), tokens], dim=-1) for number in range(7)]
        return SimpleNamespace(hidden_states=states)


class Layers(Spy):
    """A sentence encoder with this network."""

    def __getitem__(self, module: int) -> Any:
        return SimpleNamespace(auto_model=Network())

    def preprocess(self, titles: list[str]) -> dict[str, Any]:
        self.encoded += titles
        rows = [torch.tensor([len(word) for word in title.split()]) for title in titles]
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=99)
        return {"input_ids": ids, "attention_mask": (ids != 99).long(), "modality": "text"}


def test_layers_are_means_over_tokens_and_cached_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    spy = Layers()
    monkeypatch.setattr(title_views, "load_encoder", lambda *_: spy)
    monkeypatch.setattr(title_store, "TITLE_CACHE", tmp_path / "titles")
    titles = ["two cats here", "a-dog", None]
    found = title_views.title_views(titles, "x", layers=(2, 5))["title"]
    expected = [[[2, 11 / 3], [5, 11 / 3]], [[2, 2], [5, 2]], [[np.nan] * 2] * 2]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert sorted(_taken(spy)) == ["a dog", "two cats here"]
    np.testing.assert_array_equal(title_views.title_views(titles, "x", layers=(2, 5))["title"], found)
    assert _taken(spy) == []
    assert title_views.title_views(titles, "x")["title"].shape == (3, 3, 2)  # layers 4, 5, 6
    assert title_views.title_views(titles, "x", layers=())["title"].shape == (3, 2)
    with pytest.raises(InputError, match=r"^title:x: has no hidden layer 7; there are 6$"):
        title_views.title_views(titles, "x", layers=(7,))


@pytest.mark.parametrize(
    ("depth", "layers"), [(6, (4, 5, 6)), (12, (8, 10, 12)), (24, (16, 20, 24)), (2, (1, 2)), (None, ())]
)
def test_layers_by_depth(monkeypatch: pytest.MonkeyPatch, depth: int | None, layers: tuple[int, ...]) -> None:
    network = SimpleNamespace(config=SimpleNamespace(num_hidden_layers=depth))
    monkeypatch.setattr(title_views, "load_encoder", lambda *_: [SimpleNamespace(auto_model=network)])
    assert title_views.default_layers("x") == layers
    assert title_views.default_layers("sentence-transformers/all-mpnet-base-v2") == (9, 11, 12)


def test_titles_that_are_encoded_before_an_interruption_are_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, spy: Spy
) -> None:
    monkeypatch.setattr(title_views, "_TITLES_AT_ONCE", 2)
    encode = Spy.encode
    monkeypatch.setattr(Spy, "encode", lambda self, titles, **_: encode(self, titles) if "e" not in titles else 1 / 0)
    with pytest.raises(ZeroDivisionError):
        embed_titles(["a", "b", "c", "d", "e"])
    monkeypatch.setattr(Spy, "encode", encode)
    _taken(spy)
    embed_titles(["a", "b", "c", "d", "e"])
    assert _taken(spy) == ["e"]


def test_another_commit_of_the_hub_has_vectors_of_its_own(
    spy: Spy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    main = tmp_path / "models--owner--name" / "refs" / "main"
    main.parent.mkdir(parents=True)
    for commit in ("a1", "b2", "a1"):
        main.write_text(commit)
        embed_titles(["a dog"], "owner/name")
    assert _taken(spy) == ["a dog", "a dog"]


def test_a_damaged_vector_is_computed_anew(spy: Spy, tmp_path: Path) -> None:
    expected = embed_titles(["a dog", "two cats"])
    _taken(spy)
    with sqlite3.connect(tmp_path / "titles" / "vectors.sqlite3") as database:
        database.execute("UPDATE vectors SET vector = zeroblob(8) WHERE key = (SELECT min(key) FROM vectors)")
    np.testing.assert_array_equal(embed_titles(["a dog", "two cats"]), expected)
    assert len(_taken(spy)) == 1


def test_a_damaged_file_is_replaced_with_a_warning(spy: Spy, tmp_path: Path) -> None:
    expected = embed_titles(["a dog"])
    (tmp_path / "titles" / "vectors.sqlite3").write_bytes(b"no database" * 1000)
    with pytest.warns(UserWarning, match="vectors of titles cannot be used"):
        np.testing.assert_array_equal(embed_titles(["a dog"]), expected)
    _taken(spy)
    embed_titles(["a dog"])
    assert _taken(spy) == []


def test_a_folder_that_cannot_be_made_costs_a_warning(spy: Spy, tmp_path: Path) -> None:
    (tmp_path / "titles").write_text("a file")
    with pytest.warns(UserWarning, match="vectors of titles cannot be used"):
        assert embed_titles(["a dog"]).shape == (1, 2)


def _save(folder: Path, number: int) -> None:
    store = TitleStore(folder, "x", "x")
    for round_number in range(20):
        store.save({f"{number} {round_number}": np.full(4, number, np.float32)})


def test_several_processes_keep_all_of_theirs(tmp_path: Path) -> None:
    with ProcessPoolExecutor(3) as pool:
        list(pool.map(_save, [tmp_path] * 3, range(3)))
    names = [f"{number} {round_number}" for number in range(3) for round_number in range(20)]
    found = TitleStore(tmp_path, "x", "x").load(names)
    assert list(found) == names
    assert all(set(vector) == {float(name[0])} for name, vector in found.items())
