"""The thread that processes the images of all cameras, one at a time."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from pose_estimation_ros.engine.execution.cancel import CancelToken
from pose_estimation_ros.engine.execution.mailbox import Mailboxes
from pose_estimation_ros.io.messages.message_types import CameraImage

_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class ReceivedImage:
    """An image message with its receive time on the node's clock and on a steady clock."""

    message: CameraImage
    sequence: int
    received_ns: int
    received_s: float


Answer = Callable[[ReceivedImage, CancelToken], None]


class FrameWorker:
    """One thread, a one-image mailbox per camera, and the token that cancels the current image.

    Cameras take turns, so that none starves. An image that comes while an older one of its camera
    waits takes its place. The answers must not raise.
    """

    def __init__(self, cameras: int) -> None:
        self._mailboxes: Mailboxes[ReceivedImage] = Mailboxes(cameras)
        self._answers: list[Answer] = []
        self._answering = threading.Lock()  # also while a thread that was stopped is not yet done
        self._cancel = CancelToken()
        self._thread: threading.Thread | None = None

    def slot(self, answer: Answer) -> FrameSlot:
        """A camera's access to the worker, at most one for each of its cameras."""
        self._answers.append(answer)
        return FrameSlot(len(self._answers) - 1, self._mailboxes, self._answer_now)

    @property
    def running(self) -> bool:
        """Whether the thread is running."""
        return self._thread is not None

    def start(self) -> None:
        """Starts the thread."""
        self._cancel = CancelToken()
        run = partial(contextvars.copy_context().run, self._run, self._cancel)
        self._thread = threading.Thread(target=run, name="pose_frames", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stops the thread and cancels the current image, without waiting for it."""
        self._thread = None
        self._cancel.cancel()

    def wait(self, timeout_s: float) -> bool:
        """Waits for the current image, if any; whether it finished in time."""
        over = self._answering.acquire(timeout=timeout_s)
        if over:
            self._answering.release()
        return over

    def _run(self, cancel: CancelToken) -> None:
        while not cancel.cancelled:
            taken = self._mailboxes.take(timeout_s=_POLL_S)
            if taken is not None:
                # With the token of now: stopped and started again, this thread may have taken an
                # image that its successor is to answer.
                self._answer_now(*taken)

    def _answer_now(self, camera: int, image: ReceivedImage) -> None:
        self._answer(camera, image, self._cancel)

    def _answer(self, camera: int, image: ReceivedImage, cancel: CancelToken) -> None:
        with self._answering:
            self._answers[camera](image, cancel)


class FrameSlot:
    """One camera's access to the worker."""

    def __init__(
        self,
        camera: int,
        mailboxes: Mailboxes[ReceivedImage],
        answer_now: Callable[[int, ReceivedImage], None],
    ) -> None:
        self._camera, self._mailboxes, self._answer_now = camera, mailboxes, answer_now

    def put(self, image: ReceivedImage) -> bool:
        """Queues an image for the worker; True if it replaced an older one."""
        return self._mailboxes.put(self._camera, image)

    def answer_now(self, image: ReceivedImage) -> None:
        """Processes an image in the caller's thread, once the worker is free."""
        self._answer_now(self._camera, image)

    def take_newer(self, timeout_s: float) -> ReceivedImage | None:
        """Waits for the camera's next image; None on timeout."""
        return self._mailboxes.take_newer(self._camera, timeout_s)

    def clear(self) -> int:
        """Drops the waiting image; returns how many that were, 0 or 1."""
        return self._mailboxes.clear_slot(self._camera)

    @property
    def waiting(self) -> int:
        """Number of waiting images: 0 or 1."""
        return self._mailboxes.waiting_in(self._camera)
