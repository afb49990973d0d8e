"""Pages of the commands, made from their parsers: what ``--help`` says, as pages."""

from argparse import SUPPRESS, Action
from collections.abc import Callable

from docstring_parser import parse as parse_docstring

from synapsnet_pyg.cli.main import COMMANDS, _command_parser


def command_name(command: Callable[..., None]) -> str:
    """Returns a command as it is typed, without ``synapsnet``."""
    return command.__name__.replace("_", " ", 1) if command.__name__.startswith("benchmark") else command.__name__


def _option(action: Action) -> str:
    names = action.option_strings or [action.dest.upper()]
    takes = "" if not action.option_strings or action.nargs == 0 else f" {max(names, key=len).strip('-').upper()}"
    if "--model-args" in names or "--sim-args" in names:
        takes = ".NAME VALUE"
    help_text = (action.help or "").replace("%%", "%")
    return f".. option:: {', '.join(f'{name}{takes}' for name in names)}\n\n   {_escape(help_text)}\n"


def _escape(text: str) -> str:
    """Returns a help text as reStructuredText: words with signs of markup stay as they are typed."""
    return " ".join(text.replace("\\", "\\\\").replace("*", "\\*").replace("`", "\\`").replace("|", "\\|").split())


def _page(command: Callable[..., None]) -> str:
    name, parser = command_name(command), _command_parser(command)
    title = f"synapsnet {name}"
    parts = [f"{title}\n{'=' * len(title)}\n", f"{_escape(parser.description or '')}\n"]
    parts += [f".. code-block:: text\n\n   {parser.usage}\n"]
    examples = [line[2:] for line in (parser.epilog or "").splitlines()[1:]]
    if examples:
        parts += ["Examples\n--------\n", ".. code-block:: sh\n", *[f"   {line}" for line in examples], ""]
    parts += ["Arguments and options\n---------------------\n", f".. program:: {title}\n"]
    hidden = ("--help", "--print_config")
    for group in parser._action_groups:
        actions = [a for a in group._group_actions if a.help != SUPPRESS and not set(a.option_strings) & set(hidden)]
        if actions and group.title not in ("options", "positional arguments", "optional arguments", None):
            parts.append(f"{group.title}\n{'~' * len(group.title)}\n")
        parts += [_option(action) for action in actions]
    return "\n".join(parts)


def _index() -> str:
    rows = []
    for command in COMMANDS:
        page = command.__name__.replace("_", "-")
        summary = parse_docstring(command.__doc__ or "").short_description or ""
        rows.append(f"* - :doc:`synapsnet {command_name(command)} <{page}>`\n     - {_escape(summary)}")
    table = "\n   ".join(rows)
    pages = "\n".join(f"   {command.__name__.replace('_', '-')}" for command in COMMANDS)
    return (
        "Commands\n========\n\nEvery command has ``--help``, which says what stands here, and takes its options from "
        "``--config file.yaml``.\n\n"
        f".. list-table::\n   :widths: 30 70\n\n   {table}\n\n.. toctree::\n   :hidden:\n\n{pages}\n"
    )


def pages() -> dict[str, str]:
    """Returns the pages by file name, relative to the folder of generated pages."""
    written = {f"commands/{command.__name__.replace('_', '-')}.rst": _page(command) for command in COMMANDS}
    return written | {"commands/index.rst": _index()}
