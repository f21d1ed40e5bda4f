"""A decoded frame as a player shows it: its colours, transparency, orientation and the shape of its pixels."""

from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, cast

import numpy as np

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

MAX_PIXELS = 8192 * 8192
"""Of one picture: 8K video has half as many."""
PQ, HLG = 16, 18
"""FFmpeg's numbers of the transfer characteristics of HDR (SMPTE ST 2084 and ARIB STD-B67; both ITU-R BT.2100)."""
HLG_PEAK = 1000.0
"""In cd/m2, of the display for which HLG's system gamma is 1.2 (ITU-R BT.2100)."""

_UNSPECIFIED, _RGB_SPACE, _BT2020 = 2, 0, (9, 10)
_ITU709, _ITU601, _ITU2020 = 1, 5, 9
"""The scaler's numbers of the matrices."""
_TO_BT709 = {
    9: ((1.660491, -0.587641, -0.072850), (-0.124550, 1.132900, -0.008349), (-0.018151, -0.100579, 1.118730)),
    12: ((1.224940, -0.224940, 0.0), (-0.042057, 1.042057, 0.0), (-0.019638, -0.078636, 1.098274)),
}
"""Linear RGB of other primaries (BT.2020; Display P3) to BT.709 (ITU-R BT.2087; SMPTE EG 432-1)."""
_BT2020_LUMA = (0.2627, 0.6780, 0.0593)
_LINEAR_UNTIL, _CURVATURE, _SLOPE = 160.0, 0.0371, 0.0049
_CODES, _LEVELS, _GAMMA = 1024, 4096, 2.4
_BAND = 1 << 15
"""Pixels converted from HDR or blended at a time: the processor's cache holds them."""


def tone_curve(luminance: np.ndarray) -> np.ndarray:
    """Map HDR luminance in cd/m2 (up to 10,000) to linear SDR in [0, 1].

    The curve is that of Report ITU-R BT.2446-1, section 6.1.4 (method C), k1 Y up to an inflection point Y_ip and
    k2 ln(Y / Y_ip - k3) + k4 above, where k2 = k1 Y_ip (1 - k3) continues the slope. The Report's constants (0.83802,
    15.09968, 0.74204, 78.99439, Y_ip = 58.5 / k1) bring 1,000 cd/m2 to 118 % of SDR's white, which 8 bits cannot hold.
    Here, in % of white, k1 = 0.49, Y_ip = 160 and k3 = 1 - 0.0371: 10,000 cd/m2 become 100 %. With a display gamma of
    2.4, in 8 bits: reference white of 203 cd/m2 (ITU-R BT.2408) becomes 238, its 18 % grey 125, the grey card of 26
    cd/m2 108, 400 cd/m2 243, 1,000 cd/m2 247, and 4,000 cd/m2 252.
    """
    above = np.maximum(luminance / _LINEAR_UNTIL - 1, 0)
    bent = _SLOPE * _LINEAR_UNTIL * (1 + _CURVATURE * np.log1p(above / _CURVATURE))
    return np.minimum(np.where(above > 0, bent, _SLOPE * luminance), 1)


def hdr_kind(frame: "VideoFrame") -> str | None:
    """Name what must be converted to the colours of an SDR display; None where nothing must."""
    named = {PQ: "PQ", HLG: "HLG"}.get(frame.color_trc)
    return named or {9: "BT.2020", 12: "Display P3"}.get(frame.color_primaries)


class Screen:
    """The surface on which a clip is shown: each frame is brought to the shape of the first as a player would.

    Args:
        first: The clip's first frame.
        pixel_aspect: Width of a pixel as a multiple of its height, as the file says; None where it says nothing. A
            frame whose `opaque` is a fraction has that instead. Frames are enlarged along the shorter side of their
            pixels.

    Attributes:
        shape: Height and width of every image.
    """

    def __init__(self, first: "VideoFrame", pixel_aspect: Fraction | None = None) -> None:
        self._file_aspect = pixel_aspect or Fraction(1)
        self._coded = first.width, first.height
        self.shape = self._display_shape(first)

    def changes(self, frame: "VideoFrame") -> bool:
        """Whether a frame is shown otherwise than it is coded, but for its orientation."""
        reshaped = self._aspect(frame) != 1 or self._display_shape(frame) != self.shape
        return reshaped or bool(hdr_kind(frame)) or _has_alpha(frame)

    def resize(self, frame: "VideoFrame") -> "VideoFrame":
        """Bring a frame to the number of pixels of the first, in its own colours."""
        if (frame.width, frame.height) == self._coded:
            return frame
        return frame.reformat(*self._coded, interpolation="BICUBIC")

    def rgb(self, frame: "VideoFrame") -> np.ndarray:
        """Give a frame as `(height, width, 3)` uint8 RGB of `shape`; black bars make up for another aspect."""
        shape = self._display_shape(frame)
        scale = min(self.shape[0] / shape[0], self.shape[1] / shape[1])
        fitted = max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))
        if all(abs(a - b) <= max(1, b // 50) for a, b in zip(fitted, self.shape, strict=True)):
            return _upright_rgb(frame, self.shape)
        image = np.zeros((*self.shape, 3), np.uint8)
        top, left = ((whole - part) // 2 for whole, part in zip(self.shape, fitted, strict=True))
        image[top : top + fitted[0], left : left + fitted[1]] = _upright_rgb(frame, fitted)
        return image

    def _aspect(self, frame: "VideoFrame") -> float:
        return float(frame.opaque if isinstance(frame.opaque, Fraction) else self._file_aspect)

    def _display_shape(self, frame: "VideoFrame") -> tuple[int, int]:
        wide, high = max(self._aspect(frame), 1.0), max(1 / self._aspect(frame), 1.0)
        height, width = max(1, round(frame.height * high)), max(1, round(frame.width * wide))
        if height * width > MAX_PIXELS:
            height, width = frame.height, frame.width  # a pixel aspect that no player follows
        return (width, height) if _orientation(frame)[0] else (height, width)


def upright(frame: "VideoFrame", image: np.ndarray) -> np.ndarray:
    """Turn and mirror a frame's image or one of its planes, `(height, width, ...)`, as its display matrix says."""
    transposed, across, down = _orientation(frame)
    image = image.swapaxes(0, 1) if transposed else image
    return np.ascontiguousarray(image[:: -1 if down else 1, :: -1 if across else 1])


def _orientation(frame: "VideoFrame") -> tuple[bool, bool, bool]:
    """Whether the picture is to be transposed, and then mirrored left to right and upside down."""
    from av.sidedata.sidedata import SideDataContainer

    try:
        # The container that a frame keeps holds the frame in turn, which only garbage collection then frees.
        matrix = SideDataContainer(frame).get("DISPLAYMATRIX")  # type: ignore[call-arg]
    except ValueError:  # beside it stands something that PyAV has no name for, such as a photo's Exif
        turns = round(frame.rotation / 90) % 4  # counter-clockwise
        return turns % 2 == 1, turns in (2, 3), turns in (1, 2)
    if matrix is None:
        return False, False, False
    a, b, _, c, d = np.frombuffer(cast("memoryview", matrix), "<i4")[:5].tolist()
    return (True, c < 0, b < 0) if abs(b) + abs(c) > abs(a) + abs(d) else (False, a < 0, d < 0)


def _upright_rgb(frame: "VideoFrame", shape: tuple[int, int]) -> np.ndarray:
    """Convert a frame to `(*shape, 3)`, upright."""
    return upright(frame, _rgb(frame, shape[::-1] if _orientation(frame)[0] else shape))


def _rgb(frame: "VideoFrame", shape: tuple[int, int]) -> np.ndarray:
    if hdr_kind(frame):
        return _from_hdr(frame, shape)
    if _has_alpha(frame):
        rgba = _reformat(frame, shape, "rgba")
        plane = np.frombuffer(cast("memoryview", rgba.planes[0]), np.uint8).reshape(rgba.height, -1)
        return over_black(plane[:, : 4 * rgba.width].reshape(rgba.height, rgba.width, 4))
    return _reformat(frame, shape, "rgb24").to_ndarray()


def over_black(pixels: np.ndarray) -> np.ndarray:
    """Blend `(height, width, 4)` uint8 RGBA with black, in bands that take little memory."""
    height, width = pixels.shape[:2]
    image = np.empty((height, width, 3), np.uint8)
    rows = max(1, _BAND // width)
    for start in range(0, height, rows):
        band = pixels[start : start + rows]
        image[start : start + rows] = (band[..., :3].astype(np.uint16) * band[..., 3:] + 127) // 255
    return image


def _has_alpha(frame: "VideoFrame") -> bool:
    return frame.format.has_palette or any(component.is_alpha for component in frame.format.components)


def _reformat(frame: "VideoFrame", shape: tuple[int, int], format_: str) -> "VideoFrame":
    kernel = "BICUBIC" if shape != (frame.height, frame.width) else None
    return frame.reformat(shape[1], shape[0], format_, src_colorspace=_matrix(frame), interpolation=kernel)


def _matrix(frame: "VideoFrame") -> int | None:
    """The matrix from YUV to RGB where the file names none: players take BT.709 for HD, and BT.601 for less."""
    if frame.format.is_rgb or frame.colorspace not in (_UNSPECIFIED, _RGB_SPACE, *_BT2020):
        return None  # the file's own
    if frame.colorspace in _BT2020 or frame.color_trc in (PQ, HLG):
        return _ITU2020
    return _ITU709 if frame.width >= 1280 or frame.height > 576 else _ITU601


def _from_hdr(frame: "VideoFrame", shape: tuple[int, int]) -> np.ndarray:
    """Convert PQ, HLG or wide-gamut SDR to SDR of BT.709, over black."""
    height, width = shape
    green, blue, red, *alpha = (
        np.frombuffer(cast("memoryview", plane), "<u2").reshape(height, -1)[:, :width].ravel()
        for plane in _reformat(frame, shape, "gbrap10le" if _has_alpha(frame) else "gbrp10le").planes
    )
    image = np.empty((height * width, 3), np.uint8)
    to_bt709 = _TO_BT709.get(frame.color_primaries, _TO_BT709[9])
    for start in range(0, height * width, _BAND):
        band = slice(start, start + _BAND)
        channels: list[np.ndarray] = _linear_sdr(frame.color_trc, [red[band], green[band], blue[band]])
        for number, weights in enumerate(to_bt709):
            image[band, number] = _display_codes()[_levels(_mix(weights, channels))]
        if alpha:
            opacity = alpha[0][band, None].astype(np.uint32)
            image[band] = (image[band] * opacity + _CODES // 2) // (_CODES - 1)
    return image.reshape(height, width, 3)


def _linear_sdr(transfer: int, codes: list[np.ndarray]) -> list[np.ndarray]:
    """Linear light of 10-bit codes, channel by channel, 1 for SDR's white; the tone curve acts on each channel."""
    linear = [_linear_light(transfer)[channel] for channel in codes]
    if transfer != HLG:
        return linear
    gain = _hlg_gain()[_levels(_mix(_BT2020_LUMA, linear))]
    return [_hlg_curve()[_levels(gain * channel)] for channel in linear]


def _mix(weights: tuple[float, float, float], channels: list[np.ndarray]) -> np.ndarray:
    red, green, blue = (np.float32(weight) * channel for weight, channel in zip(weights, channels, strict=True))
    return red + green + blue


def _levels(linear: np.ndarray) -> np.ndarray:
    """Where a table has the values for linear light in [0, 1]: by its square root, which spends more on dark ones."""
    return (np.sqrt(np.clip(linear, 0, 1)) * np.float32(_LEVELS - 1) + np.float32(0.5)).astype(np.intp)


def _light_of_levels() -> np.ndarray:
    return (np.arange(_LEVELS) / (_LEVELS - 1)) ** 2


@cache
def _hlg_gain() -> np.ndarray:
    """By the scene's luminance: from its light to that of the display, whose system gamma is 1.2."""
    return (_light_of_levels() ** 0.2).astype(np.float32)


@cache
def _hlg_curve() -> np.ndarray:
    return tone_curve(HLG_PEAK * _light_of_levels()).astype(np.float32)


@cache
def _linear_light(transfer: int) -> np.ndarray:
    """By 10-bit code: SDR's linear light of PQ and of SDR itself; of HLG the light of the scene (ITU-R BT.2100)."""
    signal = np.arange(_CODES) / (_CODES - 1)
    if transfer == PQ:
        root = signal ** (1 / 78.84375)
        luminance = 1e4 * (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125)
        return tone_curve(luminance).astype(np.float32)
    if transfer == HLG:
        bright = (np.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12
        return np.where(signal <= 0.5, signal**2 / 3, bright).astype(np.float32)
    return (signal**_GAMMA).astype(np.float32)


@cache
def _display_codes() -> np.ndarray:
    """8-bit codes by the square root of linear light, for a display gamma of 2.4 (ITU-R BT.1886)."""
    return np.round(255 * _light_of_levels() ** (1 / _GAMMA)).astype(np.uint8)
