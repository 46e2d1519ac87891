"""The one list of audits; their functions, results, reports and commands are found by the names in it.

The audit `score` has the function `score` in `onnx_ood/audits/score/audit.py`, the settings `ScoreSettings` in
`settings.py` if it has any, and the result `ScoreResult` in `result.py`; `print_score` in
`onnx_ood/reports/score/terminal.py`, and perhaps `score_page` in `page.py`; and the command `score` in `cli/score.py`.
Modules are imported when they are needed.
"""

from __future__ import annotations

from pathlib import Path

AUDITS = (
    "score",
    "sensitivity",
    "bench",
    "directions",
    "check",
    "preprocess",
    "plane",
    "inspect",
    "instrument",
    "diff",
    "doctor",
    "demo",
)
"""Names of all audits whose result is one JSON object, in the order of the help."""

_FOLDER = Path(__file__).parent / "audits"


def public_names() -> dict[str, str]:
    """Map each public name of an audit, its function, settings and result, to its module.

    >>> public_names()["InspectResult"]
    'onnx_ood.audits.inspect.result'
    """
    modules = {"audit": "", "settings": "Settings", "result": "Result"}
    return {
        f"{audit.title()}{suffix}" if suffix else audit: f"onnx_ood.audits.{audit}.{module}"
        for audit in AUDITS
        for module, suffix in modules.items()
        if (_FOLDER / audit / f"{module}.py").exists()
    }
