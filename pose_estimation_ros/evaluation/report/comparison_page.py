"""Renders the comparison as one HTML page, without scripts or external requests."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from typing import Any

import cv2

from pose_estimation_ros.engine.arrays import ByteArray
from pose_estimation_ros.evaluation.recommendation import Advice
from pose_estimation_ros.evaluation.report import svg as report_svg

_STYLE = """
:root{--ground:#f4f5f7;--card:#fff;--ink:#1d2330;--soft:#5f6b7c;--line:#dfe3e9;
--v3:#2f7de1;--v4:#e8772e;--hybrid:#2f9e62;--good:#2f9e62;--bad:#c8452f}
@media(prefers-color-scheme:dark){:root{--ground:#14171c;--card:#1d2229;--ink:#e8ebf0;
--soft:#9aa5b4;--line:#323a45;--v3:#5a9df0;--v4:#f0965a;--hybrid:#54bd85;--bad:#ee7d68}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:1160px;margin:0 auto;padding:24px 16px 48px}
h1{font-size:1.6rem;line-height:1.2;margin:0 0 4px}h2{font-size:1.15rem;margin:36px 0 12px}
h3{font-size:.95rem;margin:0 0 2px}p{margin:4px 0 12px}.soft{color:var(--soft);font-size:.88rem}
p.soft{overflow-wrap:anywhere}
.grid{display:grid;gap:14px;grid-template-columns:repeat(auto-fit,minmax(min(100%,330px),1fr))}
.charts{grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr))}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px 16px;
min-width:0}
.tile{border-top:4px solid}.tile.v3{border-top-color:var(--v3)}
.tile.v4{border-top-color:var(--v4)}.tile.hybrid{border-top-color:var(--hybrid)}
.tile b{display:block;font-size:1.7rem;line-height:1.2;font-variant-numeric:tabular-nums}
.tile dl{display:grid;grid-template-columns:1fr auto;gap:2px 12px;margin:10px 0 0;
font-size:.9rem}
.tile dd{margin:0;font-variant-numeric:tabular-nums}.tile dt{color:var(--soft)}
img,svg{display:block;width:100%;height:auto}img{border-radius:6px;margin-top:10px}
table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{padding:7px 8px;border-bottom:1px solid var(--line);text-align:right;
font-variant-numeric:tabular-nums}
th:first-child,td:first-child{text-align:left}thead th{color:var(--soft);font-weight:600}
.matrix td,.matrix th{text-align:left;vertical-align:top}
.pill{display:inline-block;border-radius:99px;padding:1px 10px;color:#fff;font-weight:600;
font-size:.85rem}.pill.v3{background:var(--v3)}.pill.v4{background:var(--v4)}
.pill.hybrid{background:var(--hybrid)}.unmet{color:var(--bad);font-size:.82rem;
white-space:nowrap}
.advice{border-left:6px solid}.advice.v3{border-left-color:var(--v3)}
.advice.v4{border-left-color:var(--v4)}.advice.hybrid{border-left-color:var(--hybrid)}
.advice p:first-child{font-size:1.15rem}.legend{display:flex;gap:14px;flex-wrap:wrap;
font-size:.85rem;color:var(--soft);margin:0 0 10px}.legend i{display:inline-block;width:12px;
height:12px;border-radius:3px;margin-right:5px;vertical-align:-1px}
i.v3{background:var(--v3)}i.v4{background:var(--v4)}i.hybrid{background:var(--hybrid)}
svg text{font:11px system-ui,"DejaVu Sans",sans-serif;fill:var(--soft)}
svg .label{font-weight:600;fill:var(--ink)}svg .inside{fill:#fff}
svg .grid{stroke:var(--line);fill:none}svg .strong{stroke-width:2;stroke:var(--soft)}
svg .line{fill:none;stroke-width:1.8;stroke-linejoin:round}svg .shade{opacity:.16;stroke:none}
svg .line.v3{stroke:var(--v3)}svg .line.v4{stroke:var(--v4)}
svg .line.hybrid{stroke:var(--hybrid)}
svg .shade.v3,svg .bar.v3{fill:var(--v3)}svg .shade.v4,svg .bar.v4{fill:var(--v4)}
svg .shade.hybrid,svg .bar.hybrid{fill:var(--hybrid)}
svg .part1{opacity:.72}svg .part2{opacity:.45}
svg .tickmark{stroke:var(--ink);stroke-width:2}
@media(max-width:640px){body{font-size:15px}.matrix thead{display:none}
.matrix td{display:block;border:0;padding:2px 0}.matrix tr{display:block;padding:10px 0;
border-bottom:1px solid var(--line)}.card{padding:12px}th,td{padding:6px 4px}}
"""

# Rows of the table: title, path of the number, digits, unit.
_ROWS = (
    ("Latency, mean", ("latency_ms", "mean"), 1, "ms"),
    ("Latency, p95", ("latency_ms", "p95"), 1, "ms"),
    ("Latency, longest", ("latency_ms", "max"), 1, "ms"),
    ("Latency, deviation", ("latency_ms", "std"), 1, "ms"),
    ("Frames a second", ("fps",), 1, ""),
    ("Poses a frame", ("poses_per_frame",), 2, ""),
    ("Most poses in a frame", ("most_poses",), 0, ""),
    ("Memory, peak", ("memory_mb",), 0, "MB"),
    ("Cores kept busy", ("cores_used",), 2, ""),
    ("Identities", ("identities",), 0, ""),
    ("Identities kept from frame to frame", ("identities_kept",), 3, ""),
    ("Frames a track lasts", ("mean_track_frames",), 0, ""),
    ("Jitter of the joints, of the height", ("jitter",), 4, ""),
    ("COCO AP", ("accuracy", "coco", "AP"), 3, ""),
    ("Mean OKS", ("accuracy", "pose", "mean_oks"), 3, ""),
    ("PCK@0.1", ("accuracy", "pose", "pck@0.1"), 3, ""),
)


def _at(figures: Mapping[str, Any], place: Sequence[str]) -> Any:
    value: Any = figures
    for key in place:
        if not isinstance(value, Mapping) or key not in value:
            return None
        value = value[key]
    return value


def rows_of(by_pipeline: Mapping[str, dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """Returns the rows of the table: title and one value per pipeline, unmeasured rows omitted."""
    rows = []
    for title, place, digits, unit in _ROWS:
        values = [_at(figures, place) for figures in by_pipeline.values()]
        if any(value is not None for value in values):
            texts = ["-" if value is None else f"{value:.{digits}f}" for value in values]
            rows.append((f"{title}, {unit}" if unit else title, texts))
    return rows


def page(
    about: Mapping[str, Any],
    by_pipeline: Mapping[str, dict[str, Any]],
    curves: Mapping[str, Mapping[str, Sequence[float]]],
    pictures: Mapping[str, ByteArray],
    advice: Sequence[Advice],
) -> str:
    """Renders the page. `curves` holds latencies in ms and pose counts per frame and pipeline."""
    title = f"{' · '.join(by_pipeline)} on {about['name']}"
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        f'<p class="soft">{html.escape(about["line"])}</p>',
        f'<div class="grid">{"".join(_tile(f, pictures) for f in by_pipeline.values())}</div>',
        "<h2>Over the frames</h2>",
        _legend(by_pipeline),
        '<div class="grid charts">',
        _card(
            "Latency",
            "median of each stretch of frames, its range shaded",
            report_svg.lines(curves["latency"], "ms", "latency over the frames"),
        ),
        _card(
            "Poses",
            "persons answered for",
            report_svg.lines(curves["poses"], "persons", "poses over the frames"),
        ),
        "</div><h2>Where time and memory go</h2>",
        '<div class="grid charts">',
        _card(
            "Latency",
            "bar: to the 95th percentile from the fastest; line: median; dot: longest",
            report_svg.spans(_spans(curves["latency"], by_pipeline), "ms", "spread of latency"),
        ),
        _card(
            "Stages",
            "mean of a frame",
            report_svg.bars(
                {name: list(f["stages_ms"].items()) for name, f in by_pipeline.items()},
                "ms",
                "time by stage",
            ),
        ),
        _card(
            "Memory",
            "peak of the whole process, each pipeline in its own",
            report_svg.bars(
                {name: [("memory", f["memory_mb"])] for name, f in by_pipeline.items()},
                "MB",
                "memory",
            ),
        ),
        _card(
            "Processor",
            f"cores kept busy while estimating, of {about['cores']}",
            report_svg.bars(
                {name: [("cores", f["cores_used"])] for name, f in by_pipeline.items()},
                "cores",
                "processor",
            ),
        ),
        "</div><h2>All figures</h2>",
        _figures(by_pipeline),
        "<h2>Which one to take</h2>",
        _matrix(advice[1:]),
        "<h2>Recommendation</h2>",
        _recommendation(advice[0]),
    ]
    head = (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style>"
    )
    return f"{head}<main>{''.join(parts)}</main></html>\n"


def _spans(
    latencies: Mapping[str, Sequence[float]], by_pipeline: Mapping[str, dict[str, Any]]
) -> dict[str, tuple[float, float, float, float]]:
    rows = {}
    for name, figures in by_pipeline.items():
        of = figures["latency_ms"]
        rows[name] = (min(latencies[name]), of["p50"], of["p95"], of["max"])
    return rows


def _tile(figures: Mapping[str, Any], pictures: Mapping[str, ByteArray]) -> str:
    name = figures["pipeline"]
    rows = (
        ("latency p95", f"{figures['latency_ms']['p95']:.0f} ms"),
        ("frames a second", f"{figures['fps']:.1f}"),
        ("poses a frame", f"{figures['poses_per_frame']:.2f}"),
        ("memory", f"{figures['memory_mb']:.0f} MB"),
    )
    listed = "".join(f"<dt>{title}</dt><dd>{value}</dd>" for title, value in rows)
    picture = ""
    if name in pictures:
        _, data = cv2.imencode(".jpg", pictures[name], [cv2.IMWRITE_JPEG_QUALITY, 82])
        source = base64.b64encode(data.tobytes()).decode()
        picture = f'<img alt="poses of {name}" src="data:image/jpeg;base64,{source}">'
    mean = f"<b>{figures['latency_ms']['mean']:.0f} ms</b>"
    return (
        f'<div class="card tile {name}"><h3>{name}</h3>{mean}'
        f'<span class="soft">mean latency</span><dl>{listed}</dl>{picture}</div>'
    )


def _legend(names: Mapping[str, Any]) -> str:
    items = "".join(f'<span><i class="{name}"></i>{name}</span>' for name in names)
    return f'<div class="legend">{items}</div>'


def _card(title: str, note: str, svg: str) -> str:
    return f'<div class="card"><h3>{title}</h3><p class="soft">{html.escape(note)}</p>{svg}</div>'


def _figures(by_pipeline: Mapping[str, dict[str, Any]]) -> str:
    head = "".join(f"<th>{name}</th>" for name in by_pipeline)
    body = "".join(
        f"<tr><td>{title}</td>{''.join(f'<td>{value}</td>' for value in values)}</tr>"
        for title, values in rows_of(by_pipeline)
    )
    return (
        f'<div class="card"><table><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _matrix(advice: Sequence[Advice]) -> str:
    rows = []
    for one in advice:
        met = "" if one.met else ' <span class="unmet">not met</span>'
        need = f'{html.escape(one.need.use_case)}<br><span class="soft">{one.need}</span>'
        pill = f'<span class="pill {one.pipeline}">{one.pipeline}</span>{met}'
        rows.append(f"<tr><td>{need}</td><td>{pill}</td><td>{html.escape(one.why)}</td></tr>")
    return (
        '<div class="card"><table class="matrix"><thead><tr><th>Use case</th>'
        "<th>Recommended</th><th>Measured here</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _recommendation(one: Advice) -> str:
    need = str(one.need) or "no limits given"
    verdict = "" if one.met else " — though it does not meet the need"
    return (
        f'<div class="card advice {one.pipeline}"><p>Take '
        f'<span class="pill {one.pipeline}">{one.pipeline}</span>{verdict}.</p>'
        f'<p>{html.escape(one.why)}.</p><p class="soft">Asked for: {html.escape(need)}.</p></div>'
    )
