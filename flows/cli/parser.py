"""The argument parser: an error is one line with a guess at what was meant, and a hint.

tapeflow: replya is no command: did you mean replay?
try: tapeflow --help
"""

import argparse
import re
from collections.abc import Callable, Generator, Sequence
from typing import Any, NoReturn, TypeAlias

from tapeflow.flows.run.log_lines import format_json, is_json
from tapeflow.schemas.notify import ERROR

Commands: TypeAlias = "argparse._SubParsersAction[Parser]"
DURATION_BEFORE = re.compile(r"-\d+(\.\d+)?[a-z]*$")
WRONG_USE = 2  # exit code
WORDING = {
    "the following arguments are required:": "missing:",
    "expected one argument": "needs a value",
    "ignored explicit argument": "takes no value, not",
}


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Help as argparse writes it, the list of commands without a heading of its own."""

    def _format_action(self, action: argparse.Action) -> str:
        text = super()._format_action(action)
        return text.partition("\n")[2] if action.nargs == argparse.PARSER else text

    def _iter_indented_subactions(
        self, action: argparse.Action
    ) -> Generator[argparse.Action, None, None]:
        if isinstance(action, argparse._SubParsersAction):
            yield from action._get_subactions()


class Parser(argparse.ArgumentParser):
    """The parser of the program, or of one of its commands."""

    def __init__(self, **settings: Any) -> None:
        """Make a parser that takes no abbreviated options."""
        super().__init__(allow_abbrev=False, formatter_class=HelpFormatter, **settings)
        self._negative_number_matcher = DURATION_BEFORE  # `--from -1h`: a value, not an option
        self.commands: dict[str, Parser] = {}  # of the program: by name

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Return the arguments of one command; exit with a line where they are wrong."""
        command = next(
            (self.commands[name] for name in arguments[:1] if name in self.commands), self
        )
        command.check_options(arguments)
        parsed, rest = self.parse_known_args(arguments)
        if rest:
            kind = "no option" if rest[0].startswith("-") else "one argument too many"
            command.error(f"{rest[0]} is {kind}")
        return parsed

    def check_options(self, arguments: Sequence[str]) -> None:
        """Exit with a guess at the first option that is none of this parser's.

        An argument with a space in it is a value: SQL may begin with a comment.
        """
        for argument in arguments:
            option = argument.partition("=")[0]
            if option == "--" or (self.commands and not option.startswith("-")):
                return
            if option.startswith("--") and " " not in option and option not in self.options():
                self.error(f"{option} is no option{guess(option, self.options())}")

    def options(self) -> dict[str, argparse.Action]:
        """Return the options by each of their spellings."""
        return self._option_string_actions

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        if isinstance(action, argparse._SubParsersAction):
            self.error(f"{value} is no command{guess(value, action.choices)}")
        name = "/".join(action.option_strings) or action.metavar or action.dest
        self.error(f"{name}: {value!r} is not one of {', '.join(map(str, action.choices))}")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """Exit with a code and a message, which is JSON where lines are."""
        if message and is_json():
            message = format_json(message.strip(), "error", ERROR, program=self.prog)
        super().exit(status, message)

    def error(self, message: str) -> NoReturn:
        """Exit with one line and where to read more."""
        line = message.removeprefix("argument ")
        for argparse_says, plain in WORDING.items():
            line = line.replace(argparse_says, plain)
        self.exit(WRONG_USE, f"{self.prog}: {line}\ntry: {self.prog} --help\n")


def add_command(
    commands: Commands,
    name: str,
    summary: str,
    example: str,
    run: Callable[[argparse.Namespace], int],
) -> Parser:
    """Add a command with its help; `run` returns the exit code."""
    parser = commands.add_parser(
        name, help=summary, description=summary, epilog=f"example: tapeflow {example}"
    )
    parser.set_defaults(run=run, parser=parser)
    return parser


def guess(name: str, known: Any) -> str:
    """Return a hint at the known name that was meant, or nothing."""
    from tapeflow.flows.job.messages import suggestion

    return suggestion(name, known)
