"""Small inline SVG charts, sized for a phone and scaling with the page."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence

_WIDTH, _HEIGHT = 420, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 10, 12, 34
_BINS = 120


def _nice(limit: float) -> tuple[float, float]:
    """Returns a round upper end of an axis that covers the limit, and a round step."""
    limit = max(limit, 1e-9)
    power = 10 ** math.floor(math.log10(limit / 4))
    step = next(n * power for n in (1, 2, 2.5, 5, 10) if n * power * 5 >= limit)
    return math.ceil(limit / step - 1e-9) * step, step


def _text(x: float, y: float, text: str, anchor: str = "middle", kind: str = "tick") -> str:
    safe = html.escape(text)
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{safe}</text>'


def _svg(body: Sequence[str], title: str, height: int = _HEIGHT) -> str:
    label = html.escape(title, quote=True)
    start = f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{label}">'
    return f"{start}{''.join(body)}</svg>"


def _y_axis(top: float, step: float, unit: str) -> list[str]:
    body = []
    plot = _HEIGHT - _TOP - _BOTTOM
    for index in range(round(top / step) + 1):
        y = _TOP + plot * (1 - index * step / top)
        body.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>')
        body.append(_text(_LEFT - 6, y + 4, f"{index * step:g}", "end"))
    body.append(_text(4, _HEIGHT - 6, unit, "start", "unit"))
    return body


def _binned(values: Sequence[float]) -> list[tuple[float, float, float]]:
    """Returns minimum, median and maximum of at most _BINS stretches of the values."""
    size = max(1, math.ceil(len(values) / _BINS))
    bins = []
    for start in range(0, len(values), size):
        part = sorted(values[start : start + size])
        bins.append((part[0], part[len(part) // 2], part[-1]))
    return bins


def lines(series: Mapping[str, Sequence[float]], unit: str, title: str) -> str:
    """Draws a curve per series over the frames: median of each stretch, range shaded."""
    longest = max(len(values) for values in series.values())
    # Clip single spikes, which would flatten everything else.
    ranked = sorted(value for values in series.values() for value in values)
    limit = max(1.15 * ranked[min(len(ranked) - 1, int(0.99 * len(ranked)))], 1e-6)
    top, step = _nice(limit)
    body = _y_axis(top, step, unit)
    plot_width, plot_height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def place(x: float, value: float) -> str:
        y = _TOP + plot_height * (1 - min(value, top) / top)
        return f"{_LEFT + plot_width * x:.1f} {y:.1f}"

    for name, values in series.items():
        bins = _binned(values)
        share = len(values) / longest
        xs = [share * (index + 0.5) / len(bins) for index in range(len(bins))]
        upper = [place(x, high) for x, (_, _, high) in zip(xs, bins, strict=True)]
        lower = [place(x, low) for x, (low, _, _) in zip(xs, bins, strict=True)]
        middle = [place(x, mid) for x, (_, mid, _) in zip(xs, bins, strict=True)]
        body.append(f'<path class="shade {name}" d="M{"L".join([*upper, *lower[::-1]])}Z"/>')
        body.append(f'<path class="line {name}" d="M{"L".join(middle)}"/>')
    body.append(_text(_WIDTH - _RIGHT, _HEIGHT - 6, f"frame {longest}", "end"))
    body.append(_text(_LEFT, _HEIGHT - 18, "1"))
    return _svg(body, title)


def spans(rows: Mapping[str, tuple[float, float, float, float]], unit: str, title: str) -> str:
    """Draws a row per series: bar from first to third value, tick at second, dot at last."""
    top, step = _nice(max(row[3] for row in rows.values()))
    height = _TOP + 46 * len(rows) + _BOTTOM
    left = 58
    plot = _WIDTH - left - 16
    body = []
    for index in range(round(top / step) + 1):
        x = left + plot * index * step / top
        body.append(f'<path class="grid" d="M{x:.1f} {_TOP}V{height - _BOTTOM}"/>')
        body.append(_text(x, height - 16, f"{index * step:g}"))
    body.append(_text(4, height - 4, unit, "start", "unit"))
    for row, (name, (low, mid, high, most)) in enumerate(rows.items()):
        y = _TOP + 46 * row + 22
        x1, x2, x3, x4 = (left + plot * value / top for value in (low, mid, high, most))
        body.append(_text(left - 8, y + 4, name, "end", "label"))
        body.append(f'<path class="grid strong" d="M{x3:.1f} {y}H{x4:.1f}"/>')
        width = max(x3 - x1, 2)
        bar = f'x="{x1:.1f}" y="{y - 9}" width="{width:.1f}" height="18" rx="3"'
        body.append(f'<rect class="bar {name}" {bar}/>')
        body.append(f'<path class="tickmark" d="M{x2:.1f} {y - 12}V{y + 12}"/>')
        body.append(f'<circle class="bar {name}" cx="{x4:.1f}" cy="{y}" r="4"/>')
    return _svg(body, title, height)


def bars(
    rows: Mapping[str, Sequence[tuple[str, float]]], unit: str, title: str, total: bool = True
) -> str:
    """Draws a horizontal bar per series, stacked from named parts."""
    sums = {name: sum(value for _, value in parts) for name, parts in rows.items()}
    top, step = _nice(1.12 * max(sums.values()))
    height = _TOP + 46 * len(rows) + _BOTTOM
    left = 58
    plot = _WIDTH - left - 16
    body = []
    for index in range(round(top / step) + 1):
        x = left + plot * index * step / top
        body.append(f'<path class="grid" d="M{x:.1f} {_TOP}V{height - _BOTTOM}"/>')
        body.append(_text(x, height - 16, f"{index * step:g}"))
    body.append(_text(4, height - 4, unit, "start", "unit"))
    for row, (name, parts) in enumerate(rows.items()):
        y = _TOP + 46 * row + 22
        body.append(_text(left - 8, y + 4, name, "end", "label"))
        start = 0.0
        for index, (part, value) in enumerate(parts):
            x, width = left + plot * start / top, plot * value / top
            shape = f'x="{x:.1f}" y="{y - 11}" width="{width:.1f}" height="22"'
            body.append(
                f'<rect class="bar {name} part{index}" {shape}>'
                f"<title>{html.escape(part)} {value:.1f} {html.escape(unit)}</title></rect>"
            )
            if width > 7 * len(part) and len(parts) > 1:
                body.append(_text(x + width / 2, y + 4, part, kind="inside"))
            start += value
        if total:
            body.append(_text(left + plot * start / top + 5, y + 4, f"{start:.3g}", "start"))
    return _svg(body, title, height)
