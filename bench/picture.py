"""Bar charts of ratios with a line at 1, as SVG."""

from collections.abc import Mapping
from html import escape

_WIDTH, _LABEL_WIDTH, _BAR_HEIGHT, _GAP, _TOP = 1000, 480, 16, 14, 50
_COLORS = ("#2f6fde", "#9dbcf2")


def bar_chart(title: str, rows: Mapping[str, Mapping[str, float]]) -> str:
    """Return a chart of ratios with a bar for each series of each row, and a line that marks 1."""
    series = list(dict.fromkeys(name for ratios in rows.values() for name in ratios))
    largest = max((ratio for ratios in rows.values() for ratio in ratios.values()), default=1.0)
    scale = (_WIDTH - _LABEL_WIDTH - 70) / max(largest, 1.0)
    parts, y = [_text(10, 20, title, 13)], _TOP
    for index, name in enumerate(series):
        x = _LABEL_WIDTH + index * 120
        parts.append(f'<rect x="{x}" y="30" width="10" height="10" fill="{_COLORS[index % len(_COLORS)]}"/>')
        parts.append(_text(x + 15, 39, name, 11))
    for what, ratios in rows.items():
        parts.append(_text(10, y + 12, what, 12))
        for index, name in enumerate(series):
            if name in ratios:
                width = ratios[name] * scale
                color = _COLORS[index % len(_COLORS)]
                parts.append(
                    f'<rect x="{_LABEL_WIDTH}" y="{y}" width="{width:.1f}" height="{_BAR_HEIGHT}" fill="{color}"/>'
                )
                parts.append(_text(_LABEL_WIDTH + width + 5, y + 12, f"{ratios[name]:.2f} x", 11))
                y += _BAR_HEIGHT + 2
        y += _GAP
    line = _LABEL_WIDTH + scale
    parts.append(f'<line x1="{line:.1f}" y1="{_TOP - 4}" x2="{line:.1f}" y2="{y}" stroke="#444" stroke-dasharray="3"/>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{y + 10}" font-family="sans-serif">'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>\n'
    )


def _text(x: float, y: float, text: str, size: int) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}">{escape(text)}</text>'
