"""Report of the demo: figures, annotated video and still image, and a bag."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.serialization import serialize_message

from pose_estimation_ros.engine.arrays import ByteArray
from pose_estimation_ros.engine.drawing import draw_label, draw_poses
from pose_estimation_ros.engine.execution.cpu_features import usable_cores
from pose_estimation_ros.engine.execution.latency import summarise
from pose_estimation_ros.io.bags.writer import write_pose_bag
from pose_estimation_ros.io.demo_scene import SceneSource
from pose_estimation_ros.io.image_files import write_picture
from pose_estimation_ros.io.sources import FrameSource
from pose_estimation_ros.io.video_writer import VideoWriter
from pose_estimation_ros.msg import PoseArray
from pose_estimation_ros.ros.outputs.pose_array import poses_of

STAGES = (
    "age_at_receipt",
    "queue",
    "decode",
    "detect",
    "pose",
    "track",
    "publish",
    "total",
    "age_at_publish",
)
_FOUND_SHARE = 0.9
_FULL_RATE = 0.95  # of the source's frames a second
_FALSE_PER_FRAME = 1 / 50  # false positives tolerated in the bundled scene


def _stamp_ns(message: PoseArray) -> int:
    return int(message.header.stamp.sec) * 1_000_000_000 + int(message.header.stamp.nanosec)


class DemoReport:
    """Compares the frames played with the poses received."""

    def __init__(
        self,
        source: FrameSource,
        stamps: list[int],
        messages: list[PoseArray],
        node_memory_mb: float,
        live: bool = False,
    ) -> None:
        """`source` gives again the frames that were played; a live one's are a recording."""
        self._live = live
        self._source = source
        self._stamps = stamps
        # Before the first frame that counts, images were sent until one was answered.
        early = [message for message in messages if _stamp_ns(message) < stamps[0]]
        self._dropped_early = int(early[-1].dropped) if early else 0
        self._messages = messages[len(early) :]
        self._answers = {_stamp_ns(message): message for message in self._messages}
        self._memory_mb = node_memory_mb
        self._persons_found = self._persons_visible = self._false_positives = 0

    def write(self, folder: Path, topic: str) -> None:
        """Writes annotated.mp4, annotated.png and the bag."""
        source = self._source
        best: tuple[float, ByteArray] | None = None
        latest: PoseArray | None = None
        with VideoWriter(folder / "annotated.mp4", source.fps, source.width, source.height) as out:
            for index, (stamp, pixels) in enumerate(
                zip(self._stamps, source.frames(), strict=False)
            ):
                answer = self._answers.get(stamp)
                latest = answer or latest
                if answer is not None:
                    self._count(index, answer)
                if latest is not None:
                    draw_poses(pixels, poses_of(latest).poses)
                self._caption(pixels, index, answer)
                out.write(pixels)
                late = index >= len(self._stamps) // 3
                score = sum(person.score for person in answer.poses) if answer else 0.0
                if answer is not None and late and (best is None or score > best[0]):
                    best = (score, pixels.copy())
        if best is not None:
            write_picture(folder / "annotated.png", best[1])
        bag = [(_stamp_ns(message), serialize_message(message)) for message in self._messages]
        write_pose_bag(folder, topic, bag)

    def _caption(self, pixels: ByteArray, index: int, answer: PoseArray | None) -> None:
        text = f"frame {index}: "
        if answer is None:
            text += "not answered, poses as of before"
        else:
            text += f"{answer.pipeline}, {answer.times.total:.0f} ms"
        draw_label(pixels, text, (4, 24))

    def _count(self, index: int, answer: PoseArray) -> None:
        """Counts hits and misses in the bundled scene, whose people are known."""
        if not isinstance(self._source, SceneSource):
            return
        centres = np.array(
            [
                (p.box.x_offset + p.box.width / 2, p.box.y_offset + p.box.height / 2)
                for p in answer.poses
            ]
        ).reshape(-1, 2)
        found = 0
        for x1, y1, x2, y2 in self._source.people(index):
            inside = (centres >= (x1, y1)) & (centres <= (x2, y2))
            self._persons_visible += 1
            found += bool(inside.all(axis=1).any())
        self._persons_found += found
        self._false_positives += len(centres) - found

    def figures(self) -> dict[str, Any]:
        """Returns all measurements as plain data."""
        messages = self._messages
        persons = [len(message.poses) for message in messages]
        span_s = (_stamp_ns(messages[-1]) - _stamp_ns(messages[0])) * 1e-9 if messages else 0.0
        latencies = {
            stage: summarise([float(getattr(m.times, stage)) for m in messages])
            for stage in STAGES
        }
        figures: dict[str, Any] = {
            "frames_in": len(self._stamps),
            "frames_answered": len(self._answers),
            "frames_with_persons": sum(count > 0 for count in persons),
            "persons_per_frame": sum(persons) / len(persons) if persons else 0.0,
            "tracks": len({p.track_id for m in messages for p in m.poses}),
            "fps": (len(messages) - 1) / span_s if span_s > 0 else 0.0,
            "played_fps": self._played_fps(),
            "dropped_by_the_node": int(messages[-1].dropped) - self._dropped_early
            if messages
            else 0,
            "node_memory_peak_mb": self._memory_mb,
            "latency_ms": {
                stage: {"p50": s.p50, "p95": s.p95, "max": s.max} for stage, s in latencies.items()
            },
        }
        if self._persons_visible:
            figures["persons_visible"] = self._persons_visible
            figures["persons_found"] = self._persons_found
            figures["false_positives"] = self._false_positives
        return figures

    def table(self) -> str:
        """Formats the figures as text."""
        figures = self.figures()
        share = figures["frames_answered"] / max(figures["frames_in"], 1)
        rate = "" if self._live else f" of {self._source.fps:.3g}"
        rows = [
            ("frames in", str(figures["frames_in"])),
            ("frames answered", f"{figures['frames_answered']} ({share:.1%})"),
            ("dropped by the node", str(figures["dropped_by_the_node"])),
            ("frames with persons", str(figures["frames_with_persons"])),
            ("persons a frame", f"{figures['persons_per_frame']:.2f}"),
            ("identities", str(figures["tracks"])),
            ("frames a second", f"{figures['fps']:.1f}{rate}"),
            ("node memory, peak", f"{figures['node_memory_peak_mb']:.0f} MB"),
        ]
        if "persons_visible" in figures:
            found = f"{figures['persons_found']} of {figures['persons_visible']}"
            rows.insert(4, ("persons found", found))
            rows.insert(5, ("false positives", str(figures["false_positives"])))
        lines = [f"{name:<22}{value:>16}" for name, value in rows]
        lines.append(f"\n{'latency (ms)':<22}{'p50':>10}{'p95':>10}{'max':>10}")
        for stage, values in figures["latency_ms"].items():
            numbers = "".join(f"{values[kind]:>10.2f}" for kind in ("p50", "p95", "max"))
            lines.append(f"{stage.replace('_', ' '):<22}{numbers}")
        return "\n".join(lines)

    def _played_fps(self) -> float:
        span_s = (self._stamps[-1] - self._stamps[0]) * 1e-9
        return (len(self._stamps) - 1) / span_s if span_s > 0 else 0.0

    def slowed(self) -> str:
        """Says how much slower than the source's rate it was played; empty where it was not."""
        played = self._played_fps()
        if self._live or len(self._stamps) < 2 or played >= _FULL_RATE * self._source.fps:
            return ""
        load = f"load {os.getloadavg()[0]:.1f} on {usable_cores()} cores"
        return (
            f"played at {played:.1f} of {self._source.fps:.3g} frames a second, waiting for "
            f"answers, which a camera would not: this machine is too slow or busy ({load})"
        )

    def problem(self) -> str:
        """Says why the demo failed; empty if it succeeded."""
        if not self._messages:
            return "the node answered no frame: see node.log"
        if self._persons_visible:
            if self._persons_found < _FOUND_SHARE * self._persons_visible:
                found = f"{self._persons_found} of {self._persons_visible} visible persons"
                return (
                    f"{found} were found, expected {_FOUND_SHARE:.0%}: see annotated.mp4 "
                    "and node.log"
                )
            if self._false_positives > _FALSE_PER_FRAME * len(self._messages):
                return (
                    f"{self._false_positives} false positives in {len(self._messages)} frames, "
                    f"expected at most one in {1 / _FALSE_PER_FRAME:.0f}: see annotated.mp4"
                )
        elif not any(message.poses for message in self._messages):
            return (
                f"nobody was found in any of the {len(self._messages)} frames: see annotated.mp4; "
                "people who are small in the picture need --detector-size 640"
            )
        return ""
