"""The picture of a report: CPU per alert as bars, ours and the others', and by backlog. SVG."""

from typing import NamedTuple
from xml.sax.saxutils import escape

from tests.bench.ground import STOCK, SYSCALL
from tests.bench.report import FALCOLAKE, SENT, Report

WIDTH, LEFT, RIGHT = 760, 230, 90
BAR, GAP, TITLE = 20, 8, 34

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f } .title { font-weight: 600 }
.floor { fill: #8c959f } .ours { fill: #0969da } .other { fill: #d4a72c }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .ours { fill: #4493f8 } }
"""


class Bar(NamedTuple):
    """A label, its value in CPU µs per alert, and whose it is: a class of `STYLE`."""

    label: str
    us: float
    kind: str


def picture(report: Report) -> str:
    """Return the picture as SVG."""
    parts: list[str] = []
    y = 0
    for title, bars in _panels(report):
        parts.append(f'<text class="title" x="0" y="{y + 20}">{escape(title)}</text>')
        y += TITLE
        scale = (WIDTH - LEFT - RIGHT) / max(bar.us for bar in bars)
        for bar in bars:
            parts += _drawn(bar, y, bar.us * scale)
            y += BAR + GAP
        y += GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {max(y, 1)}" '
        f'width="{WIDTH}" role="img"><title>CPU microseconds per alert</title>'
        f"<style>{STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def _panels(report: Report) -> list[tuple[str, list[Bar]]]:
    side = [Bar("the floor", report.floors[SYSCALL].us, "floor")] if report.floors else []
    side += [Bar(each.name, each.us, "ours") for each in report.ours if each.name == FALCOLAKE]
    side += [
        Bar(each.name, each.us, "other")
        for each in report.programs + report.others
        if not each.name.endswith(SENT[STOCK])
    ]
    growth = [Bar(f"{each['count']:,} alerts", each["us"], "ours") for each in report.growth]
    titles = ("CPU µs per alert, Kafka to S3 (less is better)", "falcolake, by backlog")
    return [panel for panel in zip(titles, (side, growth), strict=True) if panel[1]]


def _drawn(bar: Bar, y: int, length: float) -> list[str]:
    middle = y + BAR - 5
    return [
        f'<text x="{LEFT - 8}" y="{middle}" text-anchor="end">{escape(bar.label)}</text>',
        f'<rect class="{bar.kind}" x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}"/>',
        f'<text x="{LEFT + length + 6:.1f}" y="{middle}">{bar.us:.1f}</text>',
    ]
