"""Recordings of the view, read back with Rerun's own reader."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

# By entity: a row for each moment, with the time in seconds and what was logged then, by the name
# of the component, such as "Boxes2D:centers" or "track_id".
Rows = dict[str, list[tuple[float, dict[str, Any]]]]


def read(path: Path) -> Rows:
    """Everything that was logged on the time line, in its order."""
    from rerun.chunk import RrdReader

    rows: Rows = defaultdict(list)
    for chunk in RrdReader(path).stream().collect().stream():
        if chunk.is_static or "time" not in chunk.timeline_names:
            continue
        batch = chunk.to_record_batch()
        times = [value.value / 1e9 for value in batch.column("time")]
        columns = [n for n in batch.schema.names if n not in ("time", "rerun.controls.RowId")]
        for index, time_s in enumerate(times):
            values = {name: batch.column(name)[index].as_py() for name in columns}
            rows[chunk.entity_path].append((time_s, values))
    for found in rows.values():
        found.sort(key=lambda row: row[0])
    return dict(rows)


def component(rows: Rows, entity: str, name: str) -> list[np.ndarray]:
    """One component of an entity, moment by moment."""
    return [np.array(values[name] or []) for _, values in rows[entity] if name in values]


def blueprints(path: Path) -> int:
    """How many layouts the recording holds."""
    from rerun.chunk import RrdReader

    return len(RrdReader(path).blueprints())
