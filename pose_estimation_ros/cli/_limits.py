"""Says where a limit hid people, and which option raises it."""

from __future__ import annotations

import numpy as np

from pose_estimation_ros.engine.types import PoseResult
from pose_estimation_ros.model_zoo.pipeline_models import detector_size
from pose_estimation_ros.settings import EngineConfig, PipelineOptions

# px in the detector's input: most of the smaller ones are not found.
_SMALL_PX = 32
_LARGE_SCALE = 3.0  # of an image over the detector's input, from which persons may be too small
_SMALL_SHARE = 0.2  # of the persons, from which the size of the detector's input is worth a line


class LimitNotes:
    """Looks at the answers, frame by frame."""

    def __init__(self, config: EngineConfig, options: PipelineOptions) -> None:
        self._size_px, self._most = detector_size(config), options.detector.max_persons
        self._one = config.pipeline == "v3"
        self._frames = self._cut_short = self._persons = self._small = 0
        self._most_left_out = 0
        self._scale = 1.0  # of the largest image, over the detector's input

    def note(self, result: PoseResult, width: int, height: int) -> None:
        """An image of width x height px was answered."""
        self._frames += 1
        self._cut_short += result.left_out > 0
        self._most_left_out = max(self._most_left_out, result.left_out)
        self._scale = max(self._scale, max(width, height) / self._size_px)
        boxes = result.poses.boxes[result.poses.in_sight]
        self._persons += len(boxes)
        sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0.0)
        self._small += int(np.sum(sides * self._size_px / max(width, height) < _SMALL_PX))

    def lines(self) -> list[str]:
        """A line for each limit that was reached."""
        found = []
        if self._cut_short and not self._one:
            found.append(
                f"in {self._cut_short} of {self._frames} frames there are up to "
                f"{self._most_left_out} persons more than --max-persons {self._most}: raise it to "
                f"have them all (256 at most)"
            )
        if self._small > _SMALL_SHARE * self._persons:
            found.append(
                f"{self._small} of {self._persons} persons are smaller than {_SMALL_PX} px for "
                f"the detector, which looks at {self._size_px} px, and more may be missed: raise "
                f"--detector-size (to {2 * self._size_px}, say)"
            )
        elif self._scale >= _LARGE_SCALE and not (self._one and self._persons):
            # Those who are missed leave no trace that could tell whether there are any.
            found.append(
                f"{'' if self._persons else 'nobody was found; '}persons of less than "
                f"{_SMALL_PX * self._scale:.0f} px are mostly missed, as the detector looks at "
                f"{self._size_px} px: if there are such, raise --detector-size (to "
                f"{2 * self._size_px}, say)"
            )
        return found
