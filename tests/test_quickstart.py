import json
import re

import numpy as np
import pytest

from videomem_hf import quickstart as module
from videomem_hf.inference import Prediction, Still
from videomem_hf.quickstart import HeldOut, quickstart
from videomem_hf.sample import read_truth
from videomem_hf.schema import InputError

QUICK = {"videos": 64, "size": (114, 64), "overrides": ("stages.*.epochs=1", "evaluation.resamples=50")}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A quickstart that was stopped after its sample, after its training, and then finished."""
    out = tmp_path_factory.mktemp("quickstart")
    with pytest.MonkeyPatch.context() as patch:
        for stage in ("_train", "_predict"):
            patch.setattr(module, stage, _interrupted)
            with pytest.raises(KeyboardInterrupt):
                quickstart(out, **QUICK)
            patch.undo()
    return out, quickstart(out, **QUICK)


def _interrupted(*_):
    raise KeyboardInterrupt


def test_report_stands_alone_and_tells_the_results(finished):
    out, paths = finished
    assert paths.report == out / "report.html"
    page = paths.report.read_text()
    results = json.loads((paths.model / "results.json").read_text())
    assert results["split_clips"] == 12
    for horizon in ("short_term", "long_term"):
        assert f"{results['metrics'][horizon]['model']['spearman']:.3f}" in page
        assert f"{results['metrics'][horizon]['mean_brightness']['spearman']:.3f}" in page
    assert page.count("undefined") == 2  # a constant has no correlation
    addresses = re.findall(r'(?:src|href)="([^"]{0,40})', page)
    assert len(addresses) == 6
    assert all(address.startswith("data:image/png") for address in addresses)


def test_a_second_run_changes_nothing_but_the_report(finished):
    out, paths = finished
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*") if p.is_file() and p != paths.report}
    assert len(before) > 64
    quickstart(out, **QUICK)
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*") if p.is_file() and p != paths.report} == before


def test_other_arguments_need_another_folder(finished, tmp_path):
    out, _ = finished
    with pytest.raises(InputError, match="stages"):
        quickstart(out, **QUICK | {"overrides": ("stages.*.epochs=2", "evaluation.resamples=50")})
    with pytest.raises(InputError):
        quickstart(out, **QUICK | {"videos": 65})
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file"):
        quickstart(tmp_path / "file")


def test_attention_hits_counts_peaks_in_the_box(finished):
    out, _ = finished
    truth = next(t for t in read_truth(out / "sample") if t.stands_out and all(t.boxes))
    left, top, right, bottom = truth.boxes[0]
    saliency = np.zeros((90, 160), dtype=np.float32)
    inside, outside = saliency.copy(), saliency.copy()
    inside[int((top + bottom) / 2 * 90), int((left + right) / 2 * 160)] = 1
    outside[0 if top > 0.05 else 89, 0 if left > 0.05 else 159] = 1
    stills = tuple(Still(0.0, {}, np.zeros((90, 160, 3), np.uint8), map_) for map_ in (inside, outside, inside))
    clip = HeldOut(truth, {}, Prediction("c", "m", {}, np.zeros(1), np.zeros((1, 1)), stills, "attention"))
    found = module._attention_hits([clip])
    assert found == pytest.approx({"hits": 2 / 3, "chance": (right - left) * (bottom - top), "frames": 3})
