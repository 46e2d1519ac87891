"""Result of the doctor audit."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from onnx_ood.results.base import Part, Result


class Check(Part):
    """One check of the installation."""

    name: str
    state: Literal["good", "note", "bad"] = Field(description="note: works, but not at full speed.")
    found: str
    remedy: str = Field(description="Command or action that repairs it; empty if none is needed.")


class DoctorResult(Result):
    """Versions and checks of an installation."""

    format: Literal["onnx-ood/doctor/1"] = Field(default="onnx-ood/doctor/1", alias="schema")
    versions: dict[str, str]
    python: str
    platform: str
    checks: tuple[Check, ...]

    @property
    def healthy(self) -> bool:
        """True if no check is bad; a missing GPU is not bad."""
        return all(check.state != "bad" for check in self.checks)
