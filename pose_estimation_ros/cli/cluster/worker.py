"""What runs on a machine of the cluster: models that are loaded once, and recordings."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import os
import platform
import shutil
import tempfile
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

from pose_estimation_ros.cli._model_usage import ModelUsage
from pose_estimation_ros.cli._options import read_settings
from pose_estimation_ros.cli.bag.job import decoded as decoded_message
from pose_estimation_ros.cli.bag.job import wants_images
from pose_estimation_ros.cli.bag.one import process_bag, repeatable
from pose_estimation_ros.cli.cluster.answers import (
    Answer,
    Arrays,
    RepeatedModels,
    ask,
    from_arrays,
    splittable,
    to_arrays,
)
from pose_estimation_ros.cli.cluster.urls import fetch, is_url
from pose_estimation_ros.cli.video.one import process_video
from pose_estimation_ros.engine.pipelines import Models
from pose_estimation_ros.engine.types import Frame, Image
from pose_estimation_ros.errors import InputError, PoseEstimationError
from pose_estimation_ros.io.bags.reader import BagReader
from pose_estimation_ros.io.image_files import ImagesSource
from pose_estimation_ros.io.live_camera import CameraSource
from pose_estimation_ros.io.pose_records import EarlierRun
from pose_estimation_ros.io.sources import open_frames
from pose_estimation_ros.model_zoo import build_models
from pose_estimation_ros.package_files import version

_PROGRESS = ("frames: ", "images: ")  # lines that only say how far it is


@dataclass(frozen=True)
class Recording:
    """One bag or video: where it is, and what is made of it.

    Attributes:
        place: a path that the machines share, or a URL.
        name: of what is made of it: a bag's folder, or a file of records.
        content: the bytes of a file that only the machine that asks can read, by its name.
    """

    place: str
    name: str
    content: dict[str, bytes] | None = None


@dataclass(frozen=True)
class Made:
    """What a recording came to: files by their names, what was said, and the exit code."""

    files: dict[str, bytes]
    said: str
    complaints: str
    code: int


class Worker:
    """Loads the models of a command line once, and answers for recordings.

    It is made into an actor by Ray, which needs to know nothing else.
    """

    def __init__(self, command: str, words: Sequence[str]) -> None:
        """Loads the models; raises as the command does.

        Args:
            command: "bag" or "video".
            words: the folder where it was given, then the words of its command line.
        """
        folder, *words = words
        if Path(folder).is_dir():  # models are named as seen from there
            os.chdir(folder)
        parser = argparse.ArgumentParser()
        importlib.import_module(f"pose_estimation_ros.cli.{command}.command").add_arguments(parser)
        self._command, self._args = command, parser.parse_args(list(words))
        self._settings = read_settings(self._args)
        if command == "bag":
            self._settings.engine = repeatable(self._settings.engine)
        self._models: Models = build_models(self._settings.engine)
        self._models.load()
        self._folder = Path(tempfile.mkdtemp(prefix="pose_estimation_"))
        self._fetched: tuple[Recording, Path] | None = None

    def about(self) -> dict[str, Any]:
        """Where it is and what it has: node, process, version, and models with their checksums."""
        usage = ModelUsage(self._models)
        engine = self._settings.engine
        return {
            "node": platform.node(),
            "pid": os.getpid(),
            "version": version(),
            "models": {name: dict(model) for name, model in usage.active().items()},
            "splits": splittable(self._models, engine.pipeline, self._settings.pipeline),
        }

    def length(self, recording: Recording) -> int | None:
        """How many images the recording announces; None where it does not say.

        What is wrong with it shows when it is read.
        """
        try:
            place = self._local(recording)
            if self._command != "bag":
                announced: int | None = open_frames(str(place)).length
                most = self._args.frames
                return min(announced, most) if announced and most else announced
            asked, depth = list(self._args.topic), self._args.depth
            with BagReader(place) as reader:
                return sum(
                    number
                    for topic, number in reader.counts.items()
                    if wants_images(topic, reader.seen[topic], asked, depth)
                )
        except PoseEstimationError:
            return 1

    def segments(
        self, recording: Recording, size: int, share: int, of: int, done: Sequence[int]
    ) -> Iterator[tuple[int, Arrays] | str]:
        """The answers of every `of`-th segment from number `share` on, but for those `done`.

        Yields:
            The segment's number and its answers; at the end the number -1 - n of n images, with
            nothing, or why the recording cannot be read.
        """
        try:
            images = self._images(recording)
            left, seen = set(done), 0
            with contextlib.closing(images):
                for number in count():
                    wanted = number % of == share and number not in left
                    answers, read = self._segment(images, size, wanted)
                    seen += read
                    if read and wanted:
                        yield number, to_arrays(answers)
                    if read < size:
                        break
            yield -1 - seen, {}
        except PoseEstimationError as error:
            yield str(error)

    def finish(self, recording: Recording, segments: Sequence[Any]) -> Made:
        """Runs the pipeline over answers in order, or where there are none over the models."""
        import ray

        if not segments:
            return self._made(recording, self._models)
        arrays = (ray.get(segment) for segment in segments)
        answers = (answer for segment in arrays for answer in from_arrays(segment))
        return self._made(recording, RepeatedModels(self._models, answers))

    def close(self) -> None:
        """Ends the threads and removes what was fetched."""
        self._models.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _segment(self, images: Iterator[Any], size: int, wanted: bool) -> tuple[list[Answer], int]:
        """Answers to the next `size` images, those that are usable, and how many there were."""
        answers, read = [], 0
        for image in islice(images, size):
            read += 1
            if not wanted:
                continue
            with contextlib.suppress(InputError):  # a damaged image; finishing says so
                answers.append(ask(self._models, self._frame(image), self._settings.pipeline))
        return answers, read

    def _images(self, recording: Recording) -> Generator[Any, None, None]:
        place = self._local(recording)
        if self._command == "bag":
            asked, depth = list(self._args.topic), self._args.depth
            with BagReader(place) as reader:
                yield from reader.messages(lambda t, k: wants_images(t, k, asked, depth))
        else:
            frames = open_frames(str(place))
            if isinstance(frames, CameraSource):
                raise InputError(f"'{place}' is live: a camera is answered where it is")
            apart = isinstance(frames, ImagesSource) and not self._args.sequence
            for number, image in enumerate(frames.timed_frames()):
                if number == self._args.frames > 0:
                    break
                yield Frame(Image(image.pixels), None if apart else image.time_s)

    def _frame(self, image: Any) -> Frame:
        return image if isinstance(image, Frame) else Frame(decoded_message(image)[1], 0.0)

    def _local(self, recording: Recording) -> Path:
        """The recording on this machine; fetched, if need be, in place of the one before."""
        if recording.content is None and not is_url(recording.place):
            path = Path(recording.place)
            if not path.exists():
                raise InputError(
                    f"'{path}' is not on {platform.node()}: put it on a disk that the machines "
                    "share, or give a URL"
                )
            return path
        if self._fetched is None or self._fetched[0].place != recording.place:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir()
            self._fetched = recording, fetch(recording.place, self._folder, recording.content)
        return self._fetched[1]

    def _made(self, recording: Recording, models: Models) -> Made:
        """Runs the command's own job into a folder, and reads what it wrote."""
        said, complaints = io.StringIO(), io.StringIO()
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / recording.name
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complaints):
                try:
                    code = self._run(self._local(recording), out, models)
                except PoseEstimationError as error:
                    print(error, file=complaints)
                    code = 1
            files = {
                str(file.relative_to(folder)): file.read_bytes()
                for file in sorted(Path(folder).rglob("*"))
                if file.is_file() and not any(".partial" in part for part in file.parts)
            }
        text, words = (each.getvalue().replace(folder + "/", "") for each in (said, complaints))
        kept = [line for line in words.splitlines() if not line.startswith(_PROGRESS)]
        return Made(files, text, "".join(f"{line}\n" for line in kept), code)

    def _run(self, place: Path, out: Path, models: Models) -> int:
        args = argparse.Namespace(**vars(self._args))
        if self._command == "bag":
            return process_bag(place, out, args, self._settings.engine, models)
        args.json, args.coco = out, out.with_suffix(".coco.json") if args.coco else None
        measured = not isinstance(models, RepeatedModels)
        source = open_frames(str(place))
        return process_video(args, source, models, EarlierRun([], 0), measured)
