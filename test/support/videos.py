"""Small videos for the tests, written by PyAV."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

WIDTH, HEIGHT = 96, 64


def picture(index: int) -> np.ndarray:
    """Dark, with a bright quarter at the top left, and noise, so that packets have a size."""
    pixels = np.random.default_rng(index).integers(0, 40, (HEIGHT, WIDTH, 3), np.uint8)
    pixels[: HEIGHT // 2, : WIDTH // 2] += 200
    return pixels


def write_video(
    path: Path,
    times: list[float],
    codec: str = "mpeg4",
    sound_s: float = 0.0,
    start_s: float = 0.0,
    ratio: Fraction | None = None,
) -> Path:
    """A video with frames at these times, and sound of a length."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        if codec == "gif":
            stream.pix_fmt = "rgb8"
        stream.codec_context.time_base = Fraction(1, 100)
        if ratio is not None:
            stream.codec_context.sample_aspect_ratio = ratio
        sound = file.add_stream("mp2", rate=32_000, layout="mono") if sound_s else None
        for index, time_s in enumerate(times):
            frame = av.VideoFrame.from_ndarray(picture(index), format="bgr24")
            frame.time_base, frame.pts = Fraction(1, 100), round(100 * (time_s + start_s))
            file.mux(stream.encode(frame.reformat(format=stream.pix_fmt)))
        file.mux(stream.encode())
        if sound is not None:
            silence = np.zeros((1, 1152), np.int16)
            for index in range(round(sound_s * 32_000 / 1152)):
                samples = av.AudioFrame.from_ndarray(silence, format="s16", layout="mono")
                samples.sample_rate, samples.pts = 32_000, 1152 * index
                samples.time_base = Fraction(1, 32_000)
                file.mux(sound.encode(samples))
            file.mux(sound.encode())
    return path
