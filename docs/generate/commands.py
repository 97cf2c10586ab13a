"""commands.md: the help of every command."""

from docs.generate.markdown import NOTE, join
from tapeflow.flows.cli.main import build_parser
from tapeflow.flows.cli.parser import HelpFormatter, Parser

WIDTH = 100


class WideFormatter(HelpFormatter):
    """Help of one width, whatever the terminal."""

    def __init__(self, prog: str) -> None:
        """Make a formatter for one parser."""
        super().__init__(prog, max_help_position=30, width=WIDTH)


def page() -> str:
    """Return the page."""
    root = build_parser()
    return join(
        "# Commands",
        NOTE,
        "Exit codes: 0 done, 1 failed, 2 wrong use. Output goes to standard output; messages, progress "
        "and errors, each one line, to standard error.",
        help_of(root),
        *(f"## {parser.prog}\n\n{help_of(parser)}" for parser in root.commands.values()),
    )


def help_of(parser: Parser) -> str:
    """Return the help of a parser as a block of text."""
    parser.formatter_class = WideFormatter
    return f"```\n{parser.format_help().rstrip()}\n```"
