"""Choice of a plane's units, and of the tensor whose zero sets are their boundaries."""

from __future__ import annotations

from dataclasses import dataclass

from onnx_ood.exceptions import ModelError, SelectorError
from onnx_ood.graph import Model, PatternSite, Tensor, Units, find_units, select, why_not_measurable

_KINDS = ("linear", "pattern", "sign")
_LISTED = 6


@dataclass(frozen=True)
class Shown:
    """The units that are shown.

    Attributes:
        site: What is known of them.
        read: The tensor whose values are compared with the thresholds of the site: the pre-activation; or the
            activation of a smooth function whose sign is that of its argument, where that is inside the operator.
    """

    site: PatternSite
    read: Tensor


def choose_layer(model: Model, selector: str | None) -> Shown:
    """Find the units to show.

    Args:
        model: The model.
        selector: Selects the activation function, or its pre-activation; None for the last that is piecewise linear:
            its boundaries bend where those of the layers before it are. Of units that are not piecewise linear
            the last one, where there is nothing better.

    Returns:
        The units.

    Raises:
        SelectorError: If the selector selects no activation function or several, or one that has no zero set.
        ModelError: If None is given and the model has no units that can be shown.
    """
    units = find_units(model)
    if selector is not None:
        return _selected(model, units, selector)
    shown = [
        Shown(site, tensor) for site in units.sites if not isinstance(tensor := _zero_set(model, site), str)
    ]
    if not shown:
        raise ModelError(f"{model.path}: has no activation functions whose boundaries could be shown")
    # The last of the best.
    return min(reversed(shown), key=lambda one: _KINDS.index(one.site.exact))


def _selected(model: Model, units: Units, selector: str) -> Shown:
    sites = units.sites
    names = {tensor.name for tensor in select(model, selector)}
    found = [site for site in sites if site.name in names] or [site for site in sites if site.source in names]
    if not found:
        for name in units.unread:
            if name in names:
                raise SelectorError(f"layer {name!r} {units.unread[name]}")
        known = [site.name for site in sites if not isinstance(_zero_set(model, site), str)]
        listed = ", ".join(known[-_LISTED:]) or "none"
        raise SelectorError(
            f"layer {selector!r} selects no activation function with boundaries; the last that there are: {listed}"
        )
    if len(found) > 1:
        listed = ", ".join(site.name for site in found[:_LISTED])
        raise SelectorError(
            f"layer {selector!r} selects {len(found)} activation functions; a plane shows one, so name it: {listed}"
        )
    tensor = _zero_set(model, found[0])
    if isinstance(tensor, str):
        raise SelectorError(f"layer {found[0].name!r} {tensor}")
    return Shown(found[0], tensor)


def _zero_set(model: Model, site: PatternSite) -> Tensor | str:
    """Find the tensor whose zero sets are a site's boundaries, or explain why none is known."""
    if site.argmax:
        return "chooses the largest of several values, which is the zero set of no single one; choose another layer"
    inside = not site.source and site.exact == "sign" and site.read == site.name
    name = site.name if inside else site.source
    tensor = next((one for one in model.all_tensors if one.name == name), None)
    if tensor is None:
        return "has its pre-activation inside an operator, or outside its function or branch; choose another layer"
    return why_not_measurable(model, tensor) or tensor
