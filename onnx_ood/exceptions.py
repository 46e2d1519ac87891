"""Every exception that onnx_ood raises on purpose.

OnnxOodError
├── UsageError          an argument, option or selector is wrong                       → exit code 64
│   ├── SelectorError   a selector matches nothing, or something that cannot be watched
│   ├── InputTypeError  inputs are of a type that is not taken (a TypeError, too)
│   └── TooFewReferencesError  fewer known-good inputs could be measured than there have to be
├── ModelError          the model file cannot be read, instrumented or run             → exit code 2
├── DetectorError       a detector fails, or returns no score for an input             → exit code 2
├── ProviderError       the asked-for execution provider cannot run here               → exit code 2
├── InputError          one input cannot be read or does not fit the model; audits collect
│                       these and continue with the other inputs
├── NotEvaluatedError   nothing, or too little, could be evaluated                      → exit code 3
└── OutputError         a result file cannot be written                                → exit code 2

The message of each is one line that names the thing and says what to do. Anything else that
escapes is a bug of ours and shows its traceback.
"""


class OnnxOodError(Exception):
    """Base of all errors that are not bugs of onnx_ood."""

    exit_code = 2


class UsageError(OnnxOodError):
    """An argument, option or setting is wrong."""

    exit_code = 64


class SelectorError(UsageError):
    """A selector matches no tensor, or one that cannot be watched."""


class InputTypeError(UsageError, TypeError):
    """Inputs are of a type that is not taken, or of several types."""


class TooFewReferencesError(UsageError):
    """Fewer known-good inputs could be measured than there have to be."""


class ModelError(OnnxOodError):
    """A model file cannot be read, instrumented or run."""


class DetectorError(OnnxOodError):
    """A detector fails, or does not return one finite score per input."""


class ProviderError(OnnxOodError):
    """The asked-for execution provider cannot run on this machine."""


class InputError(OnnxOodError):
    """One input cannot be read or does not fit the model."""


class NotEvaluatedError(OnnxOodError):
    """Nothing, or too little, could be evaluated to answer the question."""

    exit_code = 3


class OutputError(OnnxOodError):
    """A result file cannot be written."""
