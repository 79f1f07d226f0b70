"""Films as MP4: H.264, yuv420p, the index in front so that players begin before they have it all.

Colours are converted here (BT.709, limited range, as the file says), so that the encoder gets the same bytes every
time; the encoder itself runs in one thread, and without the one setting of x264 that reads beyond small pictures.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from core.exports.film import BEST, FilmOptions, Pixels

if TYPE_CHECKING:
    from av.packet import Packet

_BEST_CRF, _WORST_CRF = 12, 40
_BT709, _LIMITED = 1, 1

# Recommendation ITU-R BT.709-6, section 3: luma, and the two differences scaled to ±0.5.
_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
_BLUE = np.array([-0.2126 / 1.8556, -0.7152 / 1.8556, 0.5], np.float32)
_RED = np.array([0.5, -0.7152 / 1.5748, -0.0722 / 1.5748], np.float32)


class Mp4Encoder:
    """Writes one MP4 (`core.exports.film.Encoder`). Odd sides grow by a repeated line, for yuv420p needs even ones."""

    def __init__(self, file: BinaryIO, size: tuple[int, int], options: FilmOptions) -> None:
        import av
        from av.codec.context import Flags

        # By its name: the index is moved to the front by reading the file once more.
        self._container = av.open(
            str(file.name), "w", format="mp4", options={"movflags": "+faststart", "fflags": "+bitexact"}
        )
        self._container.metadata.update({"title": options.title, "comment": options.notes})
        crf = _BEST_CRF + (_WORST_CRF - _BEST_CRF) * (BEST - options.quality) / (BEST - 1)
        self._stream = self._container.add_stream(
            "libx264",
            rate=options.rate,
            # The macroblock tree's fast code depends on memory beyond pictures a few macroblocks wide: other bytes
            # with every film.
            options={"crf": f"{crf:.1f}", "preset": "slow", "profile": "high", "x264-params": "mbtree=0"},
        )
        self._width, self._height = size[0] + size[0] % 2, size[1] + size[1] % 2
        self._stream.width, self._stream.height = self._width, self._height
        self._stream.pix_fmt = "yuv420p"
        context = self._stream.codec_context
        context.thread_count = 1
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED
        context.flags |= Flags.bitexact
        self._rate = options.rate
        self._number = 0

    def add(self, pixels: Pixels) -> None:
        """One frame more, uint8 [H, W, 3 or 4]; transparency is dropped."""
        from av.video.frame import VideoFrame

        frame = VideoFrame(self._width, self._height, "yuv420p")
        for plane, values in zip(frame.planes, yuv420(pixels[:, :, :3])):
            rows = np.zeros((plane.height, plane.line_size), np.uint8)
            rows[:, : values.shape[1]] = values
            plane.update(rows.tobytes())
        frame.colorspace, frame.color_range = _BT709, _LIMITED
        frame.pts, frame.time_base = self._number, Fraction(1) / self._rate
        self._number += 1
        self._mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write what the encoder holds back, and the index."""
        self._mux(self._stream.encode())
        self._container.close()

    def _mux(self, packets: list[Packet[Any]]) -> None:
        for packet in packets:
            self._container.mux(packet)


def yuv420(pixels: Pixels) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """RGB, uint8 [H, W, 3], as luma [H', W'] and two differences of half the size, where H' and W' are even."""
    height, width = pixels.shape[:2]
    even = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge").astype(np.float32)
    height, width = even.shape[:2]
    quarter = even.reshape(height // 2, 2, width // 2, 2, 3).mean(axis=(1, 3))

    def rounded(values: NDArray[np.float32], base: int, span: int) -> NDArray[np.uint8]:
        scaled: NDArray[np.uint8] = np.rint(base + values * (span / 255)).astype(np.uint8)
        return scaled

    return rounded(even @ _LUMA, 16, 219), rounded(quarter @ _BLUE, 128, 224), rounded(quarter @ _RED, 128, 224)
