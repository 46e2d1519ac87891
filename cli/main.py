"""The program `onnx-ood`: its commands, and how it ends."""

from __future__ import annotations

import ast
import errno
import io
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points, version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption
from typing_extensions import override

from onnx_ood._audits import AUDITS
from onnx_ood._dialect import dialect
from onnx_ood._spelling import did_you_mean
from onnx_ood.exceptions import OnnxOodError, OutputError, UsageError

from . import Interrupted
from .console import complain, start_clock, stderr, use_plain
from .help import write_options
from .optional_values import OptionalValue, fill_values

COMMANDS = (*AUDITS, "show", "cache")
"""Names of the commands. A command is the function of its name in the module of its name; `EXAMPLES` there are shown
in its help, `OPTIONAL_VALUES` are its options whose value may be left out."""

PLUGINS = "onnx_ood.commands"
"""Entry point group of commands by third parties: functions with the signature of a typer command."""

# Errors of a device or disk behind standard output.
_UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG}


class _Command(TyperCommand):
    """A command that recognises inputs given before the model, and options whose value is left out."""

    optional_values: Mapping[str, OptionalValue] = {}

    @override
    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        arguments = [one for one in self.get_params(ctx) if one.param_type_name == "argument"]
        names = ((one, one.metavar or one.name.upper()) for one in arguments)
        return ["[OPTIONS]", *(name if one.required else f"[{name}]" for one, name in names)]

    @override
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        args = fill_values(args, self.optional_values)
        typed, _, order = self.make_parser(ctx).parse_args(list(args))
        for one in dict.fromkeys(order):
            single = isinstance(one, TyperOption) and not (one.multiple or one.is_flag or one.count)
            if single and order.count(one) > 1:
                raise UsageError(f"{one.opts[0]} is given more than once; give it once")
            if isinstance(one, TyperOption) and "" in _texts(typed.get(one.name)):
                # An empty path would be the working folder.
                raise UsageError(f"{one.opts[0]} is empty; give a value, or leave it out")
        return super().parse_args(ctx, args)

    @override
    def format_options(self, ctx: Any, formatter: Any) -> None:
        write_options(self, ctx, formatter)

    @override
    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        if self.epilog:
            with formatter.section("Examples"):
                formatter.write("".join(f"  {line}\n" for line in self.epilog.splitlines()))

    @override
    def invoke(self, ctx: Any) -> Any:
        if ctx.params.get("title") is not None and ctx.params.get("html", "") is None:
            raise UsageError("--title is the title of the page of --html; add --html FILE")
        model = ctx.params.get("model")
        inputs = ctx.params.get("inputs") or ctx.params.get("photos") or ()
        swapped = next((one for one in inputs if one.lower().endswith(".onnx")), None)
        if model is not None and swapped is not None and model.suffix.lower() != ".onnx":
            raise UsageError(
                f"{model} is given before the model {swapped}; swap them: onnx-ood {self.name} {swapped} {model}"
            )
        return super().invoke(ctx)


class _Commands(TyperGroup):
    """All commands; the module of one is imported when it is run."""

    _listing = False

    @override
    def list_commands(self, ctx: Any) -> list[str]:
        return [*COMMANDS, *sorted(_plugins())]

    @override
    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in COMMANDS:
            if self._listing:
                return TyperCommand(cmd_name, help=_summary(cmd_name))
            module = import_module(f".{cmd_name}", __package__)
            made = _made(cmd_name, getattr(module, cmd_name), "\n".join(module.EXAMPLES))
            made.optional_values = getattr(module, "OPTIONAL_VALUES", {})
            return made
        plugin = _plugins().get(cmd_name)
        try:
            return None if plugin is None else _made(cmd_name, plugin.load(), None)
        except (Exception, SystemExit) as error:
            complain(f"command {cmd_name!r} of {_source(plugin)} cannot be loaded: {error}")
            return None

    @override
    def format_options(self, ctx: Any, formatter: Any) -> None:
        rows = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.help or "") for name, one in rows if one is not None])
        write_options(self, ctx, formatter)

    @override
    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in (known := self.list_commands(ctx)):
            raise UsageError(f"unknown command {args[0]!r}; {did_you_mean(args[0], known)}")
        return super().resolve_command(ctx, args)

    @override
    def format_help(self, ctx: Any, formatter: Any) -> None:
        self._listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._listing = False


def _texts(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else (value,)


def _plugins() -> dict[str, EntryPoint]:
    return {one.name: one for one in entry_points(group=PLUGINS) if one.name not in COMMANDS}


def _source(plugin: EntryPoint | None) -> str:
    found = None if plugin is None else plugin.dist
    return "an unknown distribution" if found is None else found.name


def _made(name: str, function: Any, epilog: str | None) -> Any:
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(name, cls=_Command, epilog=epilog)(function)
    return typer.main.get_command(app)


def _summary(name: str) -> str:
    """First paragraph of a command's docstring, read from its source: imports would take seconds."""
    spec = find_spec(f".{name}", __package__)
    source = spec.loader.get_source(spec.name) if spec and spec.loader else None  # type: ignore[attr-defined]
    functions = [one for one in ast.parse(source or "").body if isinstance(one, ast.FunctionDef)]
    texts = [ast.get_docstring(one) or "" for one in functions if one.name == name]
    return texts[0].split("\n\n")[0] if texts else ""


app = typer.Typer(
    name="onnx-ood",
    cls=_Commands,
    help="Audit a third-party neural network given only its ONNX file.",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"onnx-ood {version('onnx_ood')}")
        raise typer.Exit


@app.callback(
    epilog="Exit codes: 0 passed, 1 a gate failed, 2 tool or model error, 3 nothing or too little evaluated, 64 usage."
)
def _top(
    _version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True),
    ] = False,
    plain: Annotated[
        bool, typer.Option("--plain", help="Draw reports with ASCII and without colour.")
    ] = False,
) -> None:
    use_plain(plain)


def main() -> None:
    """Run the program and exit with its code.

    A user's mistake is one line on standard error. Any other exception is a bug and shows its traceback.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:  # closed by the caller, who still wants the exit code
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - as long as we run
        elif mode == "w":
            setattr(sys, name, _without_broken_pipes(stream))
    sys.exit(run(sys.argv[1:]))


class _Pipe(io.FileIO):
    """Stream that discards its output once its reader (head, less) is gone.

    What follows the report is done all the same, and the exit code is that of the command.
    """

    _gone = False

    @override
    def write(self, data: Any) -> int:
        try:
            return len(data) if self._gone else super().write(data)
        except BrokenPipeError:
            self._gone = True
            return len(data)


def _without_broken_pipes(stream: TextIO) -> TextIO:
    if stream.isatty() or not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Pipe(stream.fileno(), "w", closefd=False)),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def run(arguments: list[str]) -> int:
    """Run one command.

    Args:
        arguments: Command-line arguments after the program's name; none for the help.

    Returns:
        The exit code.
    """
    start_clock()
    Interrupted.last = None
    try:
        with dialect("cli"):
            code = app(arguments or ["--help"], standalone_mode=False) or 0
        if sys.stdout is not None:
            sys.stdout.flush()
    except OnnxOodError as error:
        return _fail(str(error), error.exit_code)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "onnx-ood"
        return _fail(f"{_explain(error)}; see {command} --help", UsageError.exit_code)
    except Interrupted as error:
        return _fail(error.message, error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", 130)
    except SystemExit as error:  # Completion ends the program when done.
        return int(error.code or 0)
    except OSError as error:
        if error.errno not in _UNWRITABLE or error.filename is not None:
            return _bug()
        sys.stdout = None
        return _fail(f"standard output: cannot be written: {error.strerror}", OutputError.exit_code)
    except Exception:
        return _bug()
    return int(code)


def _explain(error: typer.TyperException) -> str:
    """Describe a mistake in the command line, with the closest option or the option that takes what was given."""
    context = getattr(error, "ctx", None)
    options = [] if context is None else context.command.get_params(context)
    wrong = getattr(error, "option_name", None)
    # An option that exists and lacks its value has a name too, and no similar ones.
    if wrong is not None and hasattr(error, "possibilities"):
        known = [
            name for one in options for name in (*one.opts, *one.secondary_opts) if name.startswith("--")
        ]
        advice = did_you_mean(wrong, known)
        return f"no such option {wrong}; {advice}" if advice.startswith("did") else f"no such option {wrong}"
    message = error.format_message().rstrip(".")
    if "extra argument" in message and any(one.name == "id_inputs" for one in options):
        message += "; give in-distribution inputs by --id PATH"
    return message


def _bug() -> int:
    if Interrupted.last is None:
        stderr().print_exception()
    return _fail("this is a bug in onnx_ood; please report it with the traceback above", 2)


def _fail(message: str, code: int) -> int:
    """End with a message and a code, or as interrupted: the error may be what a library made of the signal."""
    if Interrupted.last is not None:
        message, code = Interrupted.last.message, Interrupted.last.exit_code
    complain(message)
    return code
