"""Registry of detectors by name.

Detectors are loaded on the first lookup: all modules of `onnx_ood.detectors.methods`, then the entry points of
installed packages in the group `onnx_ood.detectors`. An entry point names a detector class, or a module that registers
some:

    [project.entry-points."onnx_ood.detectors"]
    my_detector = "my_package.my_module:MyDetector"
"""

from __future__ import annotations

import re
import warnings
from fnmatch import fnmatchcase
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules
from types import ModuleType
from typing import TypeVar, get_args

from onnx_ood._arguments import checked
from onnx_ood._spelling import did_you_mean
from onnx_ood.detectors.base import Detector, Need
from onnx_ood.detectors.per_probe import PerProbeDetector
from onnx_ood.exceptions import UsageError

ENTRY_POINTS = "onnx_ood.detectors"
"""Group of the entry points that third-party packages name their detectors in."""

D = TypeVar("D", bound=Detector)

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_detectors: dict[str, Detector] = {}
# Why entry points could not be loaded, by their name.
_failures: dict[str, str] = {}


def register_detector(detector: type[D]) -> type[D]:
    """Register a class of detectors under its name; a class decorator.

    Args:
        detector: A concrete subclass of `Detector`. Its constructor takes no required arguments.

    Returns:
        The class.

    Raises:
        TypeError: If it is not a concrete subclass of `Detector`, or lacks formula or source.
        ValueError: If another detector has its name, the name is not an identifier in snake_case, or a need is unknown.

    Example:
        ```python
        @register_detector
        class MaxLogit(Detector):
            name = "my_max_logit"
            ...
        ```
    """
    if not (isinstance(detector, type) and issubclass(detector, Detector)):
        raise TypeError(f"{detector!r} is not a subclass of onnx_ood.Detector")
    made = detector()
    name = getattr(made, "name", None)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            f"detector name {name!r} must be lower-case letters, digits and _, as in my_detector"
        )
    for attribute in ("formula", "source"):
        if not isinstance(getattr(made, attribute, None), str):
            raise TypeError(f"detector {name} needs {attribute}, a text")
    unknown = set(made.needs) - set(get_args(Need))
    if unknown:
        raise ValueError(f"detector {name} has unknown needs: {', '.join(sorted(map(str, unknown)))}")
    known = type(_detectors.setdefault(made.name, made))
    if known is not detector:
        raise ValueError(
            f"detector name {made.name!r} is taken by {known.__module__}.{known.__qualname__}; choose another name"
        )
    return detector


@checked
def list_detectors(pattern: str = "*") -> list[str]:
    """List the names of registered detectors.

    Args:
        pattern: Shell wildcard that names match: `*`, `?`, `[...]`.

    Returns:
        Names in order of `Detector.order`, then of the alphabet.

    >>> list_detectors("m*")
    ['msp', 'max_logit', 'mahalanobis']
    """
    _load()
    detectors = sorted(_detectors.values(), key=lambda one: (one.order, one.name))
    return [one.name for one in detectors if fnmatchcase(one.name, pattern)]


@checked
def find_detector(name: str) -> Detector:
    """Return the detector of a name.

    Args:
        name: Name of a registered detector, or `NAME@PROBE` for one with a value per probe, at that tensor only.
            Whether a model has the probe is checked by `Detector.why_not`.

    Raises:
        UsageError: If the detector is unknown or has no value per probe.

    >>> find_detector("energy").formula
    '−log Σ exp z'
    """
    _load()
    known, at, probe = name.partition("@")
    if known not in _detectors:
        if known in _failures:
            raise UsageError(f"detector {known!r} cannot be loaded: {_failures[known]}")
        broken = "".join(f"; plug-in {one!r} cannot be loaded: {why}" for one, why in _failures.items())
        raise UsageError(f"unknown detector {known!r}; {did_you_mean(known, list_detectors())}{broken}")
    detector = _detectors[known]
    if not at:
        return detector
    if not isinstance(detector, PerProbeDetector):
        able = [one for one in list_detectors() if isinstance(_detectors[one], PerProbeDetector)]
        raise UsageError(f"detector {known!r} takes no probe, in {name!r}; choose from {', '.join(able)}")
    return detector.at(probe)


@cache
def _load() -> None:
    """Import all built-in and third-party detectors, once."""
    methods = import_module("onnx_ood.detectors.methods")
    for module in iter_modules(methods.__path__):
        import_module(f"{methods.__name__}.{module.name}")
    for plugin in entry_points(group=ENTRY_POINTS):
        try:
            found = plugin.load()
            if not isinstance(found, ModuleType):
                register_detector(found)
        except (Exception, SystemExit) as error:  # whatever a third party's code raises
            package = f" of {plugin.dist.name}" if plugin.dist else ""
            _failures[plugin.name] = f"{plugin.value}{package}: {type(error).__name__}: {error}"
            warnings.warn(
                f"detector plug-in {plugin.name!r} cannot be loaded: {_failures[plugin.name]}",
                RuntimeWarning,
                stacklevel=3,
            )
