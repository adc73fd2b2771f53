"""Which views there are and where: nobody has to set anything up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

TIMELINE = "time"
_PLOTTED_S = 60.0  # before the moment that is looked at
# Scalars of every camera, and the titles of their plots.
_PLOTS = {
    "stages": "latency by stage, ms",
    "age": "age of the poses, ms",
    "persons": "persons",
    "fps": "frames a second",
    "dropped": "dropped images",
}


@dataclass(frozen=True, slots=True)
class ShownCamera:
    """What the layout depends on.

    Attributes:
        name: as in the entities' paths.
        placed: whether its frustum can be drawn.
        frame: the frame of the positions where several cameras may share it; else empty.
    """

    name: str
    placed: bool
    frame: str


def blueprint(cameras: Sequence[ShownCamera]) -> Any:
    """Image and people in 3D of every camera, above plots (a rerun.blueprint.Blueprint)."""
    import rerun.blueprint as rrb

    rows = [
        rrb.Horizontal(
            rrb.Spatial2DView(
                origin=f"/cameras/{camera.name}", name=_title(camera, cameras, "image")
            ),
            _in_metres(camera, cameras),
            column_shares=[3, 2],
        )
        for camera in cameras
    ]
    names = [camera.name for camera in cameras]
    seen = rows[0] if len(rows) == 1 else rrb.Tabs(*rows, name="cameras")
    each = {
        what: _plot(title, [f"/plots/{name}/{what}" for name in names])
        for what, title in _PLOTS.items()
    }
    plots = rrb.Horizontal(
        each["stages"],
        rrb.Vertical(each["age"], each["persons"]),
        rrb.Vertical(each["fps"], each["dropped"]),
        _plot("memory, MB", ["/process/memory"]),
        column_shares=[4, 3, 3, 2],
    )
    return rrb.Blueprint(
        rrb.Vertical(seen, plots, row_shares=[5, 4]),
        rrb.BlueprintPanel(state="collapsed"),
        rrb.SelectionPanel(state="collapsed"),
        rrb.TimePanel(state="collapsed", timeline=TIMELINE),
        auto_views=False,
        auto_layout=False,
    )


def _in_metres(camera: ShownCamera, cameras: Sequence[ShownCamera]) -> Any:
    """The people of a camera, or of all that share its frame, with the frustums."""
    import rerun.blueprint as rrb

    together = [
        one for one in cameras if one == camera or (one.frame and one.frame == camera.frame)
    ]
    contents = [f"+ /people/{one.name}/**" for one in together]
    contents += [f"+ /cameras/{one.name}/**" for one in together if one.placed]
    where = f"in {camera.frame}" if camera.frame else "before the camera"
    options: dict[str, Any] = {}
    if not camera.frame:  # x right, y down, z away: looked at from above the camera's shoulder
        options["eye_controls"] = rrb.EyeControls3D(
            position=(0.8, -0.8, -1.7), look_target=(0.0, 0.1, 2.2), eye_up=(0.0, -1.0, 0.0)
        )
    return rrb.Spatial3DView(
        origin="/", contents=contents, name=_title(camera, cameras, f"{where}, m"), **options
    )


def _title(camera: ShownCamera, cameras: Sequence[ShownCamera], text: str) -> str:
    return text if len(cameras) == 1 else f"{camera.name}: {text}"


def _plot(name: str, contents: list[str]) -> Any:
    import rerun as rr
    import rerun.blueprint as rrb

    return rrb.TimeSeriesView(
        name=name,
        origin="/",
        contents=[f"+ {path}" for path in contents],
        plot_legend=rrb.PlotLegend(visible="stages" in contents[0] or len(contents) > 1),
        time_ranges=rr.VisibleTimeRange(
            TIMELINE,
            start=rr.TimeRangeBoundary.cursor_relative(seconds=-_PLOTTED_S),
            end=rr.TimeRangeBoundary.cursor_relative(),
        ),
    )
