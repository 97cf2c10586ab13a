"""`tapeflow completion`: a completion script for a shell, made from the parser."""

from argparse import Action, Namespace
from collections.abc import Callable, Iterator
from pathlib import Path

from tapeflow.flows.cli.parser import Commands, Parser, add_command

BASH = """\
# bash completion of tapeflow: eval "$(tapeflow completion bash)"
_tapeflow() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" previous="${{COMP_WORDS[COMP_CWORD-1]}}"
    local command="${{COMP_WORDS[1]}}" options="" arguments=""
    if [[ $COMP_CWORD -eq 1 ]]; then
        COMPREPLY=($(compgen -W "{commands}" -- "$current"))
        return
    fi
    case "$command $previous" in
{values}
    esac
    case "$command" in
{options}
    esac
    [[ $current == -* ]] && arguments=$options
    COMPREPLY=($(compgen -W "$arguments" -- "$current"))
}}
complete -o default -F _tapeflow tapeflow
"""
ZSH = """\
#compdef tapeflow
# zsh completion of tapeflow: eval "$(tapeflow completion zsh)"
_tapeflow() {{
    local -a commands=(
{commands}
    )
    if (( CURRENT == 2 )); then
        _describe command commands
        return
    fi
    local command=$words[2]
    shift words
    (( CURRENT-- ))
    case $command in
{options}
    esac
}}
if [[ $funcstack[1] == _tapeflow ]]; then
    _tapeflow "$@"
else
    compdef _tapeflow tapeflow
fi
"""
FISH = """\
# fish completion of tapeflow: tapeflow completion fish | source
complete -c tapeflow -f
{commands}
{options}
"""


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "completion",
        "Print a completion script for your shell.",
        "completion bash >> ~/.bashrc",
        run,
    )
    parser.add_argument("shell", choices=tuple(SCRIPTS), metavar="bash|zsh|fish", help="the shell")


def run(args: Namespace) -> int:
    """Print the script."""
    print(SCRIPTS[args.shell](args.root), end="")
    return 0


def bash(root: Parser) -> str:
    """Return a script for bash; what it does not know is completed as a file."""
    options = [
        f'        {name}) options="{" ".join(command.options())}"'
        f' arguments="{" ".join(positional_words(root, name))}" ;;'
        for name, command in root.commands.items()
    ]
    values = [
        f'        "{name} {option}") {bash_value(action)}return ;;'
        for name, command in root.commands.items()
        for option, action in command.options().items()
        if takes_value(action)
    ]
    return BASH.format(
        commands=" ".join((*root.commands, *root.options())),
        values="\n".join(values),
        options="\n".join(options),
    )


def bash_value(action: Action) -> str:
    """Return how bash completes an option's value: one of its choices, else a file."""
    choices = " ".join(map(str, action.choices or ()))
    return f'COMPREPLY=($(compgen -W "{choices}" -- "$current")); ' if choices else ""


def zsh(root: Parser) -> str:
    """Return a script for zsh."""
    commands = [
        f"        {quote(f'{name}:{command.description}')}"
        for name, command in root.commands.items()
    ]
    return ZSH.format(commands="\n".join(commands), options="\n".join(zsh_options(root)))


def zsh_options(root: Parser) -> Iterator[str]:
    """Yield a case for each command of a zsh script."""
    for name, command in root.commands.items():
        specs = []
        for action in distinct(command):
            spellings = action.option_strings
            text = help_text(action).replace("[", "(").replace("]", ")").replace(":", "\\:")
            value = f":{action.dest}:{zsh_value(action)}" if takes_value(action) else ""
            specs += [quote(f"{spelling}[{text}]{value}") for spelling in spellings]
        words = positional_words(root, name)
        specs.append(quote(f"*:argument:({' '.join(words)})" if words else "*:file:_files"))
        yield f"        {name}) _arguments {' '.join(specs)} ;;"


def zsh_value(action: Action) -> str:
    """Return how zsh completes an option's value."""
    if action.choices:
        return f"({' '.join(map(str, action.choices))})"
    return "_files" if action.type is Path else " "


def fish(root: Parser) -> str:
    """Return a script for fish."""
    begin = "complete -c tapeflow -n __fish_use_subcommand"
    commands = [
        f"{begin} -a {name} -d {quote(str(command.description))}"
        for name, command in root.commands.items()
    ]
    return FISH.format(commands="\n".join(commands), options="\n".join(fish_options(root)))


def fish_options(root: Parser) -> Iterator[str]:
    """Yield a line for each option of each command of a fish script."""
    for name, command in root.commands.items():
        begin = f"complete -c tapeflow -n '__fish_seen_subcommand_from {name}'"
        for action in distinct(command):
            spelling = " ".join(
                f"-l {each[2:]}" if each.startswith("--") else f"-s {each[1:]}"
                for each in action.option_strings
            )
            value = ""
            if action.choices:
                value = f" -x -a {quote(' '.join(map(str, action.choices)))}"
            elif takes_value(action):
                value = " -r -F" if action.type is Path else " -x"
            yield f"{begin} {spelling}{value} -d {quote(help_text(action))}"
        words = positional_words(root, name)
        yield f"{begin} -a {quote(' '.join(words))}" if words else f"{begin} -F"


def distinct(command: Parser) -> list[Action]:
    """Return the options of a command, each once for all its spellings."""
    return [*dict.fromkeys(command.options().values())]


def positional_words(root: Parser, name: str) -> list[str]:
    """Return the words that a command takes as its argument; none where it takes files or text."""
    if name == "help":
        return [*root.commands]
    return [*SCRIPTS] if name == "completion" else []


def takes_value(action: Action) -> bool:
    """Return whether an option is followed by a value."""
    return action.nargs != 0


def help_text(action: Action) -> str:
    """Return an option's help, its default filled in."""
    return (action.help or "") % vars(action)


def quote(text: str) -> str:
    """Quote a text for a shell."""
    return "'" + text.replace("'", "'\\''") + "'"


SCRIPTS: dict[str, Callable[[Parser], str]] = {"bash": bash, "zsh": zsh, "fish": fish}
