"""Gives recordings to the machines of a Ray cluster, and writes what comes back."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from pose_estimation_ros.cli._model_usage import OTHER_MODEL, worst
from pose_estimation_ros.cli._progress import Progress
from pose_estimation_ros.cli.cluster.connection import Cluster
from pose_estimation_ros.cli.cluster.pieces import Pieces
from pose_estimation_ros.cli.cluster.worker import Made, Recording
from pose_estimation_ros.errors import InputError

_TRIES = 3  # of a piece of work, each on another worker

Write = Callable[[Recording, Made], None]


class Driver:
    """Runs recordings on the workers of a cluster, several at a time, a long one on all of them.

    Everything is kept by recording and segment, so that what comes twice counts once. A worker
    that is lost costs the segments that it had not sent yet; another one answers them.

    Attributes:
        answered: images that workers answered in segments, this time.
    """

    def __init__(self, cluster: Cluster, size: int, write: Write, pieces: Pieces) -> None:
        """`size`: images a segment; `write` is called with what each recording came to."""
        self._cluster, self._size, self._write, self._pieces = cluster, size, write, pieces
        self._lock = threading.Lock()
        self._codes: list[int] = []
        self.answered = 0
        self._progress = Progress("recordings", None)

    def run(self, recordings: Sequence[Recording]) -> int:
        """Processes the recordings; returns the exit code. One that breaks stops no other.

        Raises:
            KeyboardInterrupt: on Ctrl-C; what is done is kept.
        """
        self._progress = Progress("recordings", len(recordings))
        pool = ThreadPoolExecutor(self._cluster.size + 1)
        waiting: set[Future[None]] = {pool.submit(self._one, one) for one in recordings}
        try:
            while waiting:  # with a timeout, as Ctrl-C does not end a wait without one
                _, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
        finally:
            # The threads that wait for a worker, or for its answer, learn that there is none.
            if waiting:
                self._cluster.stop()
            pool.shutdown(cancel_futures=True)
        self._progress.close()
        return worst(self._codes)

    def _one(self, recording: Recording) -> None:
        code = 1
        try:
            made = self._made(recording)
            code = made.code
            with self._lock:
                for text, stream in ((made.said, sys.stdout), (made.complaints, sys.stderr)):
                    print(text, end="", file=stream, flush=True)
                if code in (0, OTHER_MODEL) or made.files:
                    self._write(recording, made)
            self._pieces.forget(recording)
        except InputError as error:
            if not self._cluster.closed:
                text = f"pose_estimation: error: '{recording.place}': {error}"
                print(text, file=sys.stderr, flush=True)
        finally:
            with self._lock:
                self._codes.append(code)
                self._show()

    def _made(self, recording: Recording) -> Made:
        """What a recording comes to.

        Raises:
            InputError: it cannot be read, or no worker is left.
        """
        answers: dict[int, Any] = {}
        count = 0
        if self._cluster.splits:
            answers = self._pieces.read(recording, self._cluster.ray.put)
            length = self._on_a_worker(lambda worker: self._get(worker.length.remote(recording)))
            of = self._cluster.size
            if length is not None:
                of = max(1, min(of, -(-length // self._size)))
            with ThreadPoolExecutor(of) as pool:
                shares = [
                    pool.submit(self._share, recording, share, of, answers) for share in range(of)
                ]
                images = max(share.result() for share in shares)
            count = -(-images // self._size)
        segments = [answers[number] for number in range(count)]
        made: Made = self._on_a_worker(
            lambda worker: self._get(worker.finish.remote(recording, segments))
        )
        return made

    def _share(self, recording: Recording, share: int, of: int, answers: dict[int, Any]) -> int:
        """Adds the answers of every `of`-th segment; returns how many images there are."""

        def ask(worker: Any) -> int:
            streaming = worker.segments.options(num_returns="streaming")
            done = sorted(answers)
            for reference in streaming.remote(recording, self._size, share, of, done):
                sent = self._get(reference)
                if isinstance(sent, str):
                    raise InputError(sent)
                number, arrays = sent
                if number < 0:
                    return -1 - int(number)
                with self._lock:
                    answers[number] = self._pieces.keep(
                        recording, number, arrays, self._cluster.ray.put
                    )
                    self.answered += len(arrays["counts"])
                    self._show()
            raise InputError("a worker ended before the recording: give it again")

        images: int = self._on_a_worker(ask)
        return images

    def _on_a_worker(self, work: Callable[[Any], Any]) -> Any:
        """Does something with a worker of one's own; with another one where that is lost.

        Raises:
            InputError: too many were lost with it, or none is left.
        """
        reason = ""
        for _ in range(_TRIES):
            worker = self._cluster.take()
            try:
                done = work(worker)
            except self._cluster.ray.exceptions.RayError as error:
                reason = str(error).strip().partition("\n")[0][:200]
                self._cluster.lose(worker, reason)
            except BaseException:
                self._cluster.give_back(worker)
                raise
            else:
                self._cluster.give_back(worker)
                return done
        raise InputError(
            f"{_TRIES} workers were lost with it ({reason}): process it alone, on a machine with "
            "more memory"
        )

    def _get(self, reference: Any) -> Any:
        return self._cluster.ray.get(reference)

    def _show(self) -> None:
        self._progress.show(len(self._codes), f"{self.answered} images answered")
