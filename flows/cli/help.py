"""`tapeflow help`: the help of the program or of one command."""

from argparse import Namespace

from tapeflow.flows.cli.parser import Commands, add_command, guess


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands, "help", "Show help on Tapeflow, or on one command.", "help replay", run
    )
    parser.add_argument("command", nargs="?", metavar="COMMAND", help="a command's name")


def run(args: Namespace) -> int:
    """Print the help."""
    if args.command is None:
        args.root.print_help()
        return 0
    known = args.root.commands
    if args.command not in known:
        args.root.error(f"{args.command} is no command{guess(args.command, known)}")
    known[args.command].print_help()
    return 0
