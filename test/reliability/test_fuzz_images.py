"""Image messages that nobody thought of: answered, or refused with one line; nothing else."""

from __future__ import annotations

import cv2
import numpy as np
from fuzzing import damaged, fuzz, grown_mb, within
from hypothesis import example, given
from hypothesis import strategies as st
from rows import row
from sensor_msgs.msg import CameraInfo, CompressedImage
from sensor_msgs.msg import Image as ImageMsg

from pose_estimation_ros.engine import Frame, Image
from pose_estimation_ros.engine.camera_model import CameraModel
from pose_estimation_ros.engine.pipelines import build_pipeline
from pose_estimation_ros.errors import InputError
from pose_estimation_ros.io.messages.camera_info import to_calibration
from pose_estimation_ros.io.messages.compressed_image_header import image_size
from pose_estimation_ros.io.messages.image import to_depth, to_image, to_image_compressed
from pose_estimation_ros.settings import PipelineOptions

AREA = "Fuzzing"
ANSWER = "pixels of the size that was said, or one line; no crash, no hang, memory +100 MB at most"
LIMIT = 1_000_000

ENCODINGS = [
    *("bgr8", "rgb8", "bgra8", "rgba8", "mono8", "mono16", "8UC3", "yuv422", "yuv422_yuy2"),
    *("nv12", "nv21", "bayer_rggb8", "bayer_grbg8", "16UC1", "32FC1", "", "BGR8", "klingon"),
]
uint32 = st.one_of(st.integers(0, 64), st.sampled_from([65_535, 2**31, 2**32 - 1]))


@st.composite
def images(draw: st.DrawFn) -> ImageMsg:
    small = st.integers(1, 64)
    width, height = draw(st.one_of(small, uint32)), draw(st.one_of(small, uint32))
    encoding = draw(st.one_of(st.sampled_from(ENCODINGS), st.text(max_size=8)))
    step = draw(st.one_of(st.sampled_from([0, width, 2 * width, 4 * width, 5 * width]), uint32))
    message = ImageMsg(width=width, height=height, encoding=encoding, step=min(step, 2**32 - 1))
    message.is_bigendian = draw(st.integers(0, 255))
    whole = min((message.step or 4 * width) * height * 2, 40_000)
    size = draw(st.one_of(st.just(whole), st.just(whole), st.integers(0, 20_000)))
    message.data = np.random.default_rng(size).bytes(size)
    return message


IMAGES = row(AREA, "image messages (`to_image`)", ANSWER, "fuzz_images::fuzz_image_messages")


def test_fuzz_image_messages() -> None:
    seen = {"taken": 0, "refused": 0}

    @fuzz(short=300, full=3000)
    @given(images())
    def run(message: ImageMsg) -> None:
        with within(10):
            try:
                image = to_image(message, LIMIT)
            except InputError as error:
                assert "\n" not in str(error) and len(str(error)) < 700
                seen["refused"] += 1
                return
        assert image.pixels.shape == (message.height, message.width, 3)
        assert image.pixels.dtype == np.uint8 and int(image.pixels.sum()) >= 0
        seen["taken"] += 1

    with grown_mb(run) as grown:
        run()
    assert min(seen.values()) > 20 and grown() < 100
    IMAGES.saw(f"{seen['taken']} taken, {seen['refused']} refused; memory {grown():+.0f} MB")


DEPTH = row(AREA, "depth images (`to_depth`)", ANSWER, "fuzz_images::fuzz_depth_messages")


def test_fuzz_depth_messages() -> None:
    seen = {"taken": 0, "refused": 0}

    @fuzz(short=200, full=2000)
    @given(images(), st.sampled_from(["16UC1", "32FC1", "mono16", "bgr8"]))
    def run(message: ImageMsg, encoding: str) -> None:
        message.encoding = encoding
        with within(10):
            try:
                depth = to_depth(message, LIMIT)
            except InputError:
                seen["refused"] += 1
                return
        assert depth.shape == (message.height, message.width) and depth.dtype == np.float32
        seen["taken"] += 1

    with grown_mb(run) as grown:
        run()
    assert min(seen.values()) > 0 and grown() < 100
    DEPTH.saw(f"{seen['taken']} taken, {seen['refused']} refused; memory {grown():+.0f} MB")


def _seeds() -> list[bytes]:
    rng = np.random.default_rng(1)
    pixels = cv2.GaussianBlur(rng.integers(0, 256, (48, 64, 3)).astype(np.uint8), (9, 9), 3)
    return [cv2.imencode(kind, pixels)[1].tobytes() for kind in (".jpg", ".png", ".webp")]


COMPRESSED = row(
    AREA,
    "damaged JPEG, PNG and WebP files (`to_image_compressed`)",
    ANSWER,
    "fuzz_images::fuzz_compressed_images",
)


def test_fuzz_compressed_images() -> None:
    seen = {"taken": 0, "refused": 0}

    png = _seeds()[1]

    @fuzz(short=300, full=3000)
    @given(st.one_of(damaged(_seeds()), st.binary(max_size=64)))
    @example(png[:33] + b"\xff\xff\xff\x92" + png[37:])  # OpenCV took 4 GB for that chunk
    def run(data: bytes) -> None:
        size = image_size(data)
        with within(10):
            try:
                image = to_image_compressed(CompressedImage(format="jpeg", data=data), LIMIT)
            except InputError:
                seen["refused"] += 1
                return
        assert size is not None and image.width * image.height <= LIMIT
        assert (image.width, image.height) in (size, size[::-1])  # a JPEG may say: turn me
        seen["taken"] += 1

    with grown_mb(run) as grown:
        run()
    assert min(seen.values()) > 0 and grown() < 100
    COMPRESSED.saw(f"{seen['taken']} taken, {seen['refused']} refused; memory {grown():+.0f} MB")


real = st.floats(allow_nan=True, allow_infinity=True)
INTRINSICS = row(
    AREA,
    "camera_info (`Calibration`, back-projection)",
    "a camera whose positions have the right shape, none, or one line",
    "fuzz_images::fuzz_camera_info",
)


def test_fuzz_camera_info() -> None:
    seen = {"camera": 0, "none": 0, "refused": 0}
    sane = st.floats(-1, 1)
    models = ["plumb_bob", "rational_polynomial", "equidistant", "fisheye", "", "other"]

    @fuzz(short=300, full=2000)
    @given(
        st.lists(st.one_of(real, st.floats(1, 4000)), min_size=9, max_size=9),
        st.lists(st.one_of(sane, real), max_size=15),
        st.sampled_from(models),
    )
    @example([500.0] * 9, [0.1, 0.2, 0.3], "plumb_bob")  # OpenCV takes no three coefficients
    @example([500.0] * 9, [0.1] * 5, "equidistant")
    def run(k: list[float], d: list[float], model: str) -> None:
        try:
            info = CameraInfo(k=k, d=d, distortion_model=model)
            camera = to_calibration(info).camera_for(100, 100)
        except InputError:
            seen["refused"] += 1
            return
        if camera is None:
            seen["none"] += 1
            return
        seen["camera"] += 1
        points = camera.back_project(np.ones((2, 17, 2), np.float32), np.ones((2, 17)))
        assert points.shape == (2, 17, 3)

    with np.errstate(all="ignore"):
        run()
    assert min(seen.values()) > 0
    INTRINSICS.saw(", ".join(f"{count} {what}" for what, count in seen.items()))


SIZES = row(
    AREA,
    "images of every size and content through the whole V4 engine",
    "answered; boxes within the image, every number finite but positions",
    "fuzz_images::fuzz_the_engine",
)


def test_fuzz_the_engine(embedded_models) -> None:
    pipeline = build_pipeline("v4", embedded_models, PipelineOptions())
    done = [0]
    camera = CameraModel(500, 500, 50, 50, (0.1, 0.0, 0.0, 0.0, 0.0))

    @fuzz(short=25, full=400)
    @given(
        st.integers(1, 400),
        st.integers(1, 400),
        st.integers(0, 2**31),
        st.floats(-1e12, 1e12),
        st.sampled_from(["noise", "black", "white"]),
    )
    def run(width: int, height: int, seed: int, stamp_s: float, kind: str) -> None:
        pixels = np.full((height, width, 3), 255 * (kind == "white"), np.uint8)
        if kind == "noise":
            pixels = np.random.default_rng(seed).integers(0, 256, pixels.shape).astype(np.uint8)
        depth = np.full((height, width), np.nan, np.float32)
        with within(20):
            poses = pipeline.process(Frame(Image(pixels), stamp_s, camera, depth)).poses
        done[0] += 1
        assert np.isfinite(poses.boxes).all() and np.isfinite(poses.joints.xy).all()
        assert (poses.boxes >= 0).all()
        assert (poses.boxes[:, 2] <= width).all() and (poses.boxes[:, 3] <= height).all()

    run()
    SIZES.saw(f"{done[0]} answered")
