"""Results of the bench audit as LaTeX tabulars."""

from __future__ import annotations

from onnx_ood.audits.bench.result import BenchResult
from onnx_ood.reports.formats.bench_tables import BenchTable, bench_tables

# Characters with a meaning in LaTeX.
_ESCAPES = {mark: f"\\{mark}" for mark in "_%&#${}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def bench_latex(result: BenchResult) -> str:
    """Render AUROCs as tabulars with the rules of booktabs, best detector first.

    Args:
        result: Benchmark.
    """
    return "\n".join(_table(table) for table in bench_tables(result, bounds=False))


def _table(table: BenchTable) -> str:
    lines = [f"% {table.title}"] if table.title else []
    lines += [
        rf"\begin{{tabular}}{{l{'r' * (len(table.head) - 1)}}}",
        r"\toprule",
        " & ".join(map(_escaped, table.head)) + r" \\",
        r"\midrule",
        *(" & ".join([_escaped(name), *cells]) + r" \\" for name, cells in table.rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return "".join(_ESCAPES.get(character, character) for character in text)
