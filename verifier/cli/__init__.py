"""The command `verifier`: one module a sub-command, imported when it is used.

A sub-command returns its exit status. What goes wrong ends here, in one line and a status, never in a traceback of the harness:
2 the request is wrong, 3 the harness (or its isolation) could not decide, 130 interrupted.
"""

import contextlib
import errno
import importlib
import importlib.metadata
import os
import sys
from collections.abc import Sequence
from typing import Any, TextIO

import click

from verifier.cli.encoding import write_every_sign
from verifier.cli.exit_status import BROKEN_PIPE, INTERRUPTED, UNDECIDED, WRONG_REQUEST
from verifier.errors import HarnessError, RequestError, VerifierError

COMMANDS = {
    "audit": "verifier.cli.audit:audit",
    "cache": "verifier.cli.cache:cache",
    "check": "verifier.cli.check:check",
    "compare": "verifier.cli.compare:compare",
    "explain": "verifier.cli.explanation:explain",
    "faults": "verifier.cli.faults:faults",
    "init": "verifier.cli.init:init",
    "list": "verifier.cli.inventory:inventory",
    "presets": "verifier.cli.presets:presets",
    "replay": "verifier.cli.replay:replay",
    "report": "verifier.cli.report:report",
    "selftest": "verifier.cli.selftest:selftest",
    "watch": "verifier.cli.watch:watch",
}

READERS = {
    "To learn": ("init", "watch", "explain", "faults"),
    "To judge": ("check", "report", "compare", "replay"),
}  # the others are for authors of libraries, tests and plug-ins

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Commands(click.Group):
    """The sub-commands by name; each module is imported when its command is named (or the help lists them all)."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands by who uses them."""
        named = [name for names in READERS.values() for name in names]
        others = tuple(name for name in self.list_commands(ctx) if name not in named)
        for reader, names in (*READERS.items(), ("For authors", others)):
            commands = [(name, command) for name in names if (command := self.get_command(ctx, name)) is not None]
            with formatter.section(reader):
                formatter.write_dl([(name, command.get_short_help_str(60)) for name, command in commands])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


def version() -> str:
    """The version of the installed distribution; "unknown" in a source tree that is not installed."""
    try:
        return importlib.metadata.version("backprop-verifier")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def _print_version(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(f"verifier {version()}")
        context.exit(0)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show the version and end.")
def commands() -> None:
    """Decide whether backpropagation code computes the right gradients.

    Exit status: 0 the candidates pass, 1 one is wrong or unusable, 2 the request is wrong, 3 nothing could be decided.
    """
    if sys.platform == "win32":
        raise HarnessError("verifier runs on Linux and macOS. On Windows open WSL (`wsl --install`) and give the same command.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments (else the process's); its exit status."""
    for library in ("OPENBLAS", "OMP", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")  # before NumPy is loaded: more would round sums in another order
    _open_what_is_closed()
    write_every_sign()  # a Latin-1 or ASCII terminal must not break a verdict
    try:
        status = commands.main(args=list(arguments) if arguments is not None else None, prog_name="verifier", standalone_mode=False)
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except click.ClickException as error:
        return _refuse(error)
    except (KeyboardInterrupt, click.Abort):
        say("Interrupted.")
        return INTERRUPTED
    except BrokenPipeError:
        _let_go(sys.stdout)
        return BROKEN_PIPE
    except Exception as error:
        if isinstance(error, OSError):
            _let_go(sys.stdout)
        return explain(error)


def _open_what_is_closed() -> None:
    """Where the command was started with a standard stream closed, what it would write there goes nowhere.

    And no file or socket that is opened later gets the number of a standard stream, so that nothing is printed into it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115 - as long-lived as the process


def _let_go(stream: TextIO) -> None:
    """A stream that takes no more (its reader has left, its disk is full) must not fail again when Python flushes it at its end."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _refuse(error: click.ClickException) -> int:
    """A command line that cannot be understood, in one line."""
    context = getattr(error, "ctx", None)
    hint = f" See: {context.command_path} --help" if isinstance(error, click.UsageError) and context else ""
    say(f"Error: {' '.join(error.format_message().split())}{hint}")
    return error.exit_code if isinstance(error, click.UsageError) else WRONG_REQUEST


def explain(error: Exception) -> int:
    """Say what went wrong in one line on stderr; the exit status that belongs to it.

    With VERIFIER_DEBUG=1 in the environment the harness's own failures come with their traceback.
    """
    if isinstance(error, RequestError):
        say(f"Error: {error}")
        return WRONG_REQUEST
    if isinstance(error, OSError) and error.errno in FULL:
        say(f"No more can be written ({error.strerror}). Free some space and run the same command again.")
        return UNDECIDED
    if os.environ.get("VERIFIER_DEBUG", "") not in ("", "0"):
        import traceback

        traceback.print_exception(error, file=sys.stderr)
    cause = error.__cause__
    if isinstance(error, HarnessError) and isinstance(cause, Exception):
        say(f"{error}. {_broken(cause)}")
    else:
        say(str(error) if isinstance(error, VerifierError) else _broken(error))
    return UNDECIDED


def _broken(error: Exception) -> str:
    return (
        f"The harness broke{_place(error)}: {type(error).__name__}: {error}. This is a mistake in verifier {version()}, "
        f"not in the candidate. Please report it with the output of the same command under VERIFIER_DEBUG=1{_tracker()}."
    )


def _place(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f" ({os.path.basename(trace.tb_frame.f_code.co_filename)}, line {trace.tb_lineno})" if trace else ""


def _tracker() -> str:
    """Where to report, as the distribution's own metadata say."""
    try:
        links: list[Any] = importlib.metadata.metadata("backprop-verifier").get_all("Project-URL") or []
    except importlib.metadata.PackageNotFoundError:
        return ""
    named = dict(str(link).partition(", ")[::2] for link in links)
    return f" to {named['Issues']}" if "Issues" in named else ""


def say(message: str) -> None:
    """One line on stderr, whatever the message holds; nothing where stderr takes no more, for the exit status still says it."""
    from verifier.reports.untrusted import one_line

    try:
        click.echo(one_line(message), err=True)
    except OSError:
        _let_go(sys.stderr)
