import numpy as np
import pytest

from videomem_hf.analysis.clip_figure import clip_figure, overlay, save_figure


def test_overlay_leaves_the_frame_where_nothing_is_salient():
    image = np.full((4, 6, 3), (200, 100, 50), dtype=np.uint8)
    saliency = np.zeros((4, 6), dtype=np.float32)
    saliency[1, 2] = 1.0
    result = overlay(image, saliency)
    grey = 0.85 * (0.299 * 200 + 0.587 * 100 + 0.114 * 50)
    assert abs(int(result[0, 0, 0]) - grey) <= 1
    assert len(set(result[0, 0].tolist())) == 1
    # inferno's top is a pale yellow (252, 255, 164): the peak is pulled towards it by 0.65
    np.testing.assert_allclose(result[1, 2], 0.35 * grey + 0.65 * np.array([252, 255, 164]), atol=2)
    assert overlay(image, None).std() == overlay(image, np.zeros((4, 6))).std() == 0


@pytest.mark.parametrize("explained", [True, False])
def test_figure_shows_curves_frames_and_overlays(tmp_path, explained):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (18, 32, 3), dtype=np.uint8)
    stills = [(t, 0.8, image, np.ones((18, 32), np.float32) if explained else None) for t in (0.0, 1.0, 2.0)]
    times = np.array([0.0, 1.0, 2.0])
    curves = {"short_term": np.array([0.8, 0.85, 0.9]), "long_term": np.array([0.6, 0.7, 0.8])}
    means = {h: float(v.mean()) for h, v in curves.items()}
    figure = clip_figure("a $clip$.mp4", times, curves, means, stills, "attention" if explained else None)
    curve, *others = figure.axes
    drawn = {line.get_label(): line.get_ydata() for line in curve.lines}
    np.testing.assert_array_equal(drawn["short-term, frame"], curves["short_term"])
    np.testing.assert_array_equal(drawn["long-term, frame"], curves["long_term"])
    assert {label for label in drawn if "clip" in label} == {"short-term, clip: 0.850", "long-term, clip: 0.700"}
    pictures = [axes for axes in others if axes.images]
    assert len(pictures) == (6 if explained else 3)
    for axes in pictures:  # no picture is stretched or cut off
        box = axes.get_position()
        shown = (box.width * figure.get_figwidth()) / (box.height * figure.get_figheight())
        assert shown == pytest.approx(32 / 18, rel=0.01)
        assert box.x0 >= 0
        assert box.x1 <= 1
        assert box.y0 >= 0
    save_figure(figure, tmp_path / "figure.png")
    assert [p.name for p in tmp_path.iterdir()] == ["figure.png"]
