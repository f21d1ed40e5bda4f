import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from videomem_hf.analysis.clip_figure import ShownFrame, clip_figure, overlay, overlay_change, save_figure
from videomem_hf.analysis.score_curve import ScoreCurve
from videomem_hf.analysis.style import style_time_axis


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


IMAGE = np.random.default_rng(0).integers(0, 255, (18, 32, 3), dtype=np.uint8)


def curve(frames: int = 3, **options) -> ScoreCurve:
    scores = {"short_term": np.linspace(0.8, 0.9, frames), "long_term": np.linspace(0.6, 0.8, frames)}
    return ScoreCurve(np.arange(float(frames)), scores, {h: float(v.mean()) for h, v in scores.items()}, **options)


def inside(figure) -> bool:
    """Whether all text and all panels lie within the picture."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    width, height = canvas.get_width_height()
    boxes = [each.get_tightbbox() for each in figure.axes] + [text.get_window_extent() for text in figure.texts]
    return all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height for box in boxes)


@pytest.mark.parametrize("explained", [True, False])
def test_figure_shows_curves_frames_and_overlays(tmp_path, explained):
    map_ = np.ones((18, 32), np.float32) if explained else None
    frames = [ShownFrame(t, "short-term 0.800", IMAGE, map_) for t in (0.0, 1.0, 2.0)]
    figure = clip_figure("a $clip$.mp4", curve(), frames, saliency_label="attention" if explained else None)
    chart, *others = figure.axes
    drawn = {line.get_label(): line.get_ydata() for line in chart.lines}
    np.testing.assert_allclose(drawn["short-term, frames"], [0.8, 0.85, 0.9])
    np.testing.assert_allclose(drawn["long-term, clip"], 0.7)
    pictures = [axes for axes in others if axes.images]
    assert len(pictures) == (6 if explained else 3)
    for axes in pictures:  # no picture is stretched
        box = axes.get_position()
        shown = (box.width * figure.get_figwidth()) / (box.height * figure.get_figheight())
        assert shown == pytest.approx(32 / 18, rel=0.01)
    assert inside(figure)
    save_figure(figure, tmp_path / "figure.png")
    assert [p.name for p in tmp_path.iterdir()] == ["figure.png"]


def test_intervals_lie_on_the_axis_of_the_scores_and_long_lines_are_whole():
    ends = {"short_term": (0.7, 0.95), "long_term": (0.5, 0.9)}
    name = "/".join(["a-folder-with-a-long-name"] * 8)
    figure = clip_figure(name, curve(intervals=ends), [ShownFrame(0.0, "", IMAGE)], ["x" * 30] * 2, [name])
    chart, strip = figure.axes[:2]
    assert chart.get_ylim() == strip.get_ylim()
    assert chart.get_ylim()[0] < 0.5 < 0.95 < chart.get_ylim()[1]
    assert "90%\nprediction interval" in strip.get_xlabel()
    segments = [path.vertices[:, 1].tolist() for lines in strip.collections for path in lines.get_paths()]
    np.testing.assert_allclose(segments, [[0.7, 0.95], [0.5, 0.9]])
    assert inside(figure)
    assert "".join(text.get_text().replace("\n", "") for text in figure.texts).count(name) == 2


def test_a_photograph_has_points_with_intervals_and_no_axis_of_time():
    ends = {"short_term": (0.7, 0.95), "long_term": (0.5, 0.9)}
    figure = clip_figure("photo.jpg", curve(1, intervals=ends), [ShownFrame(None, "", IMAGE)])
    chart = figure.axes[0]
    assert chart.get_xlabel() == "memorability"
    assert [label.get_text() for label in chart.get_yticklabels()] == ["long-term", "short-term"]
    assert sorted(line.get_xdata()[0] for line in chart.lines if len(line.get_xdata()) == 1) == [0.6, 0.8]
    assert inside(figure)


def test_what_is_covered_is_orange_where_the_score_falls_and_purple_where_it_rises():
    change = np.zeros((18, 32))
    change[:9, :16], change[9:, 16:] = -0.02, 0.01
    white = np.full((18, 32, 3), 255, np.uint8)
    drawn = overlay_change(white, change, 0.02).astype(int)
    falls, rises, stays = drawn[2, 2], drawn[15, 30], drawn[2, 30]
    assert falls[0] > falls[1] > falls[2]
    assert rises[2] > rises[0] > rises[1]
    assert len(set(stays)) == 1
    frame = ShownFrame(0.0, "", IMAGE, change=change)
    figure = clip_figure("c.mp4", curve(), [frame], change_label="change of the short-term score")
    assert [label.get_text() for label in figure.axes[-1].get_xticklabels()][1:] == ["0", "+0.020"]
    assert inside(figure)


@pytest.mark.parametrize(("seconds", "expected"), [(4, "0 s 1 s 2 s 3 s 4 s"), (150, "0:00 0:30 1:00 1:30 2:00 2:30")])
def test_times_are_round_and_equal(seconds, expected):
    axes = Figure().subplots()
    style_time_axis(axes, 0, seconds)
    axes.figure.canvas.draw()
    assert " ".join(label.get_text() for label in axes.get_xticklabels()) == expected
