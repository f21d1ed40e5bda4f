"""Croissant metadata of a prepared repository: mlcroissant finds no fault, and reads what pyarrow reads."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from videomem_hf.data.prepare import PrepareOptions, prepare
from videomem_hf.sample import generate_sample


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("croissant")
    sample = generate_sample(
        folder / "sample", videos=6, test_videos=2, size=(64, 64), features=["c3d", "lbp"], workers=1, progress=False
    )
    prepare(sample.release, folder / "out", PrepareOptions(videos="embed"))
    return folder / "out"


def test_every_file_is_named_with_its_checksum(prepared: Path) -> None:
    described = json.loads((prepared / "croissant.json").read_text())
    sums = dict(reversed(line.split("  ")) for line in (prepared / "SHA256SUMS").read_text().splitlines())
    files = {each["contentUrl"]: each for each in described["distribution"]}
    assert set(files) == {path for path in sums if path.endswith(".parquet")}
    assert all(each["sha256"] == sums[path] for path, each in files.items())
    assert described["license"] == "apache-2.0"
    assert "croissant.json" in sums
    (c3d,) = [each for each in described["recordSet"] if each["@id"] == "c3d/train-00000-of-00001"]
    fields = {each["name"]: each for each in c3d["field"]}
    assert (fields["c3d"]["repeated"], fields["c3d"]["dataType"]) == (True, "sc:Float")
    (lbp,) = [each for each in described["recordSet"] if each["@id"] == "lbp/train-00000-of-00001"]
    assert "lbp" not in {each["name"] for each in lbp["field"]}
    assert lbp["description"].endswith("Without a type here: lbp.")


def test_mlcroissant_reads_the_rows(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    monkeypatch.chdir(prepared)
    dataset = mlcroissant.Dataset(jsonld=os.fspath(prepared / "croissant.json"))
    assert not dataset.metadata.issues.errors
    names = {record_set.uuid for record_set in dataset.metadata.record_sets}
    assert {"scores/train-00000-of-00001", "videos/test-00000-of-00001"} <= names
    for config in ("scores", "c3d"):
        name = f"{config}/train-00000-of-00001"
        found: list[dict[str, Any]] = list(dataset.records(name))
        expected = pq.read_table(prepared / f"{name}.parquet").to_pylist()
        assert len(found) == len(expected) > 2
        for row, wanted in zip(found, expected, strict=True):
            values = {key.rpartition("/")[2]: value for key, value in row.items()}
            assert values["video_id"].decode() == wanted["video_id"]
            assert values["short_term"] == pytest.approx(wanted["short_term"])
            if config == "c3d":
                np.testing.assert_allclose(np.asarray(values["c3d"], float), wanted["c3d"])
