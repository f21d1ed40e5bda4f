"""Makes the pictures of the first pages while the documentation is built, from a generated sample."""

from pathlib import Path
from typing import Final

CLIPS: Final = 120
EPOCHS: Final = 28
FOLDER: Final = Path(__file__).parent / "_pictures"


def make_pictures(clips: int = CLIPS, epochs: int = EPOCHS, folder: Path = FOLDER) -> None:
    """Train a predictor on a sample and draw what the commands of these pages give; what is there is kept."""
    import av
    from datasets import load_dataset

    from videomem_hf.analysis.clip_figure import save_figure
    from videomem_hf.analysis.dataset_figures import distribution_figure
    from videomem_hf.data.describe import describe
    from videomem_hf.inference import load_predictor
    from videomem_hf.inference.drawing import prediction_figure, write_overlay
    from videomem_hf.inference.occlusion import occlusion_maps
    from videomem_hf.quickstart import quickstart
    from videomem_hf.schema import ANNOTATION_COUNTS, HORIZONS

    if (folder / "scores.png").is_file():
        return
    work = folder / "quickstart"
    paths = quickstart(work, videos=clips, overrides=(f"stages.*.epochs={epochs}",))
    predictor = load_predictor(str(paths.model))
    videos = load_dataset("videomem", "videos", data_dir=str(paths.release), split="validation")
    files = [row["path"] for row in videos["video"]]
    clip = max(files, key=lambda path: predictor.predict(path).scores["short_term"])
    prediction = predictor.predict(clip, stills=5, maps=True)
    covered = occlusion_maps(predictor, clip, frames=[still.time_s for still in prediction.stills])
    save_figure(prediction_figure(prediction, occlusion=covered), folder / "prediction.png")
    write_overlay(work / "overlay.mp4", clip, prediction)
    with av.open(str(work / "overlay.mp4")) as video:
        frames = [frame.to_image() for frame in video.decode(video=0)]
    frames[len(frames) // 2].save(folder / "overlay.png")
    found = describe(paths.release)
    scores = {horizon: found.values(horizon) for horizon in HORIZONS}
    counts = {horizon: found.values(ANNOTATION_COUNTS[horizon]) for horizon in HORIZONS}
    save_figure(distribution_figure(scores, counts), folder / "scores.png")
