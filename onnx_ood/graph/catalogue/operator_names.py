"""Names of the operators that onnx defines."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache

from onnx import defs

from onnx_ood.graph.catalogue.nodes import is_standard

# Operators that onnxruntime adds to the standard domain when it optimises a model, or runs for old files.
_RUNTIME_OPS = frozenset(
    {"Affine", "Crop", "DynamicSlice", "ImageScaler", "ParametricSoftplus", "Scale", "ScaledTanh"}
    | {"SimplifiedLayerNormalization"}
)


def why_unknown_operator(name: str) -> str | None:
    """Explain why no model can have an operator of a name; None if one may have it.

    Args:
        name: Type of an operator, `domain::Type` outside the standard domain.

    >>> why_unknown_operator("Lop")
    "onnx has no operator 'Lop'; did you mean 'Loop'?"
    >>> why_unknown_operator("ZipMap")
    "onnx has no operator 'ZipMap'; did you mean 'ai.onnx.ml::ZipMap'?"
    >>> why_unknown_operator("com.example::Anything")
    """
    domain, _, kind = name.rpartition("::")
    known = _operators()
    own = known.get("" if is_standard(domain) else domain)
    if own is None or kind in own:
        return None
    qualified = {f"{one}::{kind}" for one, kinds in known.items() if one and kind in kinds}
    prefix = "" if is_standard(domain) else f"{domain}::"
    near = sorted(qualified) or [prefix + one for one in get_close_matches(kind, sorted(own), n=1)]
    advice = f"did you mean {near[0]!r}?" if near else "name an operator of another domain as domain::Type"
    return f"onnx has no operator {name!r}; {advice}"


@cache
def _operators() -> dict[str, frozenset[str]]:
    """Names of the operators of each domain, in all versions."""
    found: dict[str, set[str]] = {"": set(_RUNTIME_OPS)}
    for schema in defs.get_all_schemas_with_history():
        found.setdefault(schema.domain, set()).add(schema.name)
    return {domain: frozenset(names) for domain, names in found.items()}
