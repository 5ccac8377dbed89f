"""What a call leaves behind: JSON, a table in Markdown, and plots in SVG."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Drawing
from tests.bench import stages, whole, writing
from tests.bench.figure import Figure
from tests.bench.figures import Measures

OURS_COLOUR, THEIRS_COLOUR = "#0072b2", "#999999"


def write(folder: Path, sizes: Sequence[Measures], found: Sequence[Figure]) -> None:
    """Write `bench.json`, `bench.md` and the plots."""
    document = {
        "figures": [asdict(figure) for figure in found],
        "sizes": [_size(of) for of in sizes],
    }
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    (folder / "bench.json").write_text(text, encoding="utf-8")
    (folder / "bench.md").write_text(markdown(sizes, found), encoding="utf-8")
    written = [of for of in sizes if writing.BOUND in of]
    if written:
        (folder / "speed.svg").write_text(_speed(written[-1]), encoding="utf-8")
        (folder / "cost_per_row.svg").write_text(_cost(written), encoding="utf-8")


def _size(of: Measures) -> dict[str, Any]:
    return {
        "rows": of.rows,
        "contenders": {
            name: {
                "seconds": round(of.seconds(name), 3),
                "is_scaled_up": of.is_sample(name),
                "wal_bytes_per_row": round(of.wal_per_row(name), 1),
                "peak_mb": round(of.peak_mb(name), 1),
                "rounds": [asdict(measured) for measured in rounds],
            }
            for name, rounds in of.of.items()
        },
    }


def markdown(sizes: Sequence[Measures], found: Sequence[Figure]) -> str:
    """Return the figures first, then what each contender took, as tables."""
    lines = figures_table(found)
    for of in sizes:
        lines += ["", f"## {of.rows:,} rows", "", *_contenders(of)]
        if whole.RUN in of:
            lines += ["", f"### {whole.RUN}, stage by stage", "", *_stages(of)]
    return "\n".join(lines) + "\n"


def figures_table(found: Sequence[Figure]) -> list[str]:
    """Return the lines of the table of figures."""
    return [
        "| figure | rows | reached | to reach | met |",
        "|---|--:|--:|--:|---|",
        *(
            f"| {f.name} | {f.rows:,} | {f.reached} | {f.to_reach} | {_word(f.is_reached)} |"
            for f in found
        ),
    ]


def _word(is_reached: bool) -> str:
    return "yes" if is_reached else "**no**"


def _contenders(of: Measures) -> list[str]:
    lines = [
        "| contender (medians) | speed, 1 = bound | s | WAL B/row | peak MB |",
        "|---|--:|--:|--:|--:|",
    ]
    for name in of.of:
        has_bound = name in writing.CONTENDERS and writing.BOUND in of
        ratio = f"{of.times_as_fast(name, writing.BOUND):.3f}" if has_bound else ""
        star = " *" if of.is_sample(name) else ""
        lines.append(
            f"| {name}{star} | {ratio} | {of.seconds(name):.2f} | {of.wal_per_row(name):.0f} |"
            f" {of.peak_mb(name):.0f} |"
        )
    if any(of.is_sample(name) for name in of.of):
        lines += ["", "\\* measured on a sample, scaled up"]
    return lines


def _stages(of: Measures) -> list[str]:
    """Return where the time of the quickest whole run went."""
    quickest = min(of.of[whole.RUN], key=lambda measured: measured.seconds)
    return [
        "Seconds by the clock; then seconds of a processor, of the command, of the kernel's first",
        "thread, of all its others, of the server where it runs here; what was left of all",
        "processors; and the most memory held.",
        "",
        *stages.table(quickest.detail),
    ]


def _speed(of: Measures) -> str:
    """Plot each writer's share of the bound."""
    names = [name for name in of.of if name in writing.CONTENDERS][::-1]
    drawing = Drawing(figsize=(8, 4.5))
    axes = drawing.add_subplot()
    bars = axes.barh(
        names,
        [of.times_as_fast(name, writing.BOUND) for name in names],
        color=[OURS_COLOUR if name.startswith("ours") else THEIRS_COLOUR for name in names],
    )
    axes.bar_label(bars, fmt="%.2f", padding=3)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel(f"speed; 1 = one server-side UPDATE of {of.rows:,} rows")
    return _svg(drawing)


def _cost(sizes: Sequence[Measures]) -> str:
    """Plot microseconds per row over the number of rows."""
    drawing = Drawing(figsize=(8, 4.5))
    axes = drawing.add_subplot()
    for name in (name for name in sizes[-1].of if name in writing.CONTENDERS):
        points = [of for of in sizes if name in of]
        axes.plot(
            [of.rows for of in points],
            [1e6 * of.seconds_per_row(name) for of in points],
            marker="o",
            label=name,
            linewidth=2 if name.startswith("ours") else 1,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("rows")
    axes.set_ylabel("µs per row")
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    return _svg(drawing)


def _svg(drawing: Drawing) -> str:
    FigureCanvasSVG(drawing)
    drawing.tight_layout()
    stream = io.StringIO()
    drawing.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return stream.getvalue()
