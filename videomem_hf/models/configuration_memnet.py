"""Configuration of MemNet."""

from huggingface_hub.dataclasses import strict

from .configuration_memorability import MemorabilityConfig, check_choice


@strict
class MemNetConfig(MemorabilityConfig):
    """Sizes of MemNet (Khosla et al., 2015). The defaults are those of the released network.

    Attributes:
        horizons: MemNet was trained on image memorability measured minutes after the first view.
        image_size: Side in pixels of the frames given to the model, and of its mean image.
        crop_size: Side in pixels of the crops that the network sees; 227 gives the 6 x 6 map that `fc6` expects.
        crops: 10 (the four corners, the centre, and their mirror images; averaged) or 1 (the centre). In training every
            frame is seen through one random crop, mirrored at random.
        conv_channels: Output channels of conv1 to conv5.
        hidden_size: Outputs of fc6 and fc7.
        dropout: Probability after fc6 and fc7, in training.
        mean_bgr: Channel means of the mean image on a scale of 0 to 255, which it is filled with until a real one is
            loaded; the default is that of the released mean image.
        output_mean, output_scale, output_bias: What the public PyTorch port does to the mean x over the crops:
            clip((x - mean) * scale + bias, 0, 1). The defaults give clip(x, 0, 1), for training.
    """

    model_type = "memnet"

    horizons: list[str] | tuple[str, ...] = ("short_term",)
    image_size: int = 256
    crop_size: int = 227
    crops: int = 10
    conv_channels: list[int] | tuple[int, ...] = (96, 256, 384, 384, 256)
    hidden_size: int = 4096
    dropout: float = 0.5
    mean_bgr: list[float] | tuple[float, ...] = (104.917, 114.779, 118.355)
    output_mean: float = 0.0
    output_scale: float = 1.0
    output_bias: float = 0.0

    def validate_crops(self) -> None:
        check_choice(self, crops=(1, 10))
        if not 67 <= self.crop_size <= self.image_size:
            raise ValueError(f"crop_size must lie from 67 to image_size={self.image_size}, got {self.crop_size}")
