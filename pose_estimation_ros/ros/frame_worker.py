"""The thread that answers images, one at a time, whichever camera they come from."""

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
    """An image message and when it came, by the node's clock and by a steady one."""

    message: CameraImage
    sequence: int
    received_ns: int
    received_s: float


Answer = Callable[[ReceivedImage, CancelToken], None]


class FrameWorker:
    """One thread, a mailbox of one image for each camera, and what cancels the image in work.

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
        """Whether images are answered."""
        return self._thread is not None

    def start(self) -> None:
        """Answers images from now on."""
        self._cancel = CancelToken()
        run = partial(contextvars.copy_context().run, self._run, self._cancel)
        self._thread = threading.Thread(target=run, name="pose_frames", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Answers no more images and cancels the one in work; does not wait for it."""
        self._thread = None
        self._cancel.cancel()

    def wait(self, timeout_s: float) -> bool:
        """Whether the image in work, if there is one, was over in time."""
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
        """Leaves an image for the worker; True where it takes the place of an older one."""
        return self._mailboxes.put(self._camera, image)

    def answer_now(self, image: ReceivedImage) -> None:
        """Answers an image in the caller's thread, once the worker is free."""
        self._answer_now(self._camera, image)

    def take_newer(self, timeout_s: float) -> ReceivedImage | None:
        """The camera's next image, waited for; None on timeout."""
        return self._mailboxes.take_newer(self._camera, timeout_s)

    def clear(self) -> int:
        """Drops the image that waits; how many that were, 0 or 1."""
        return self._mailboxes.clear_slot(self._camera)

    @property
    def waiting(self) -> int:
        """How many images wait: 0 or 1."""
        return self._mailboxes.waiting_in(self._camera)
