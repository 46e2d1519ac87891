"""Results of the bench audit as Markdown tables."""

from __future__ import annotations

from onnx_ood.audits.bench.result import BenchResult
from onnx_ood.reports.formats.bench_tables import BenchTable, bench_tables


def bench_markdown(result: BenchResult) -> str:
    """Render AUROCs as Markdown tables: means with their 95% intervals, best detector first.

    Args:
        result: Benchmark.
    """
    return "\n".join(_table(table) for table in bench_tables(result, bounds=True))


def _table(table: BenchTable) -> str:
    lines = [f"{table.title}:", ""] if table.title else []
    lines += [
        "| " + " | ".join(map(_plain, table.head)) + " |",
        "|" + "|".join(["---", *["---:"] * (len(table.head) - 1)]) + "|",
        *("| " + " | ".join([f"`{_plain(name)}`", *cells]) + " |" for name, cells in table.rows),
    ]
    return "\n".join(lines) + "\n"


def _plain(name: str) -> str:
    """Escape what would end a cell or be markup; also right between backquotes."""
    return name.replace("`", "'").replace("|", "\\|").replace("<", "‹").replace("[", "(").replace("]", ")")
