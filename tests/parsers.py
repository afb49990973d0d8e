"""The command line's parser, wherever it is made, and its options."""

from argparse import Action
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import jsonargparse
import pytest

from synapsnet_pyg.cli.main import main


class _FoundError(Exception):
    def __init__(self, parser: jsonargparse.ArgumentParser) -> None:
        super().__init__("found")
        self.parser = parser


def command_parsers() -> dict[str, jsonargparse.ArgumentParser]:
    """Finds the parser of every command (``benchmark forecasting`` is one) by stopping main where it parses."""

    def give(self: jsonargparse.ArgumentParser, *_: Any, **__: Any) -> None:
        raise _FoundError(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonargparse.ArgumentParser, "parse_args", give)
        with pytest.raises(_FoundError) as caught:
            main(["--help"])
    return dict(_below("", caught.value.parser))


def _below(name: str, parser: jsonargparse.ArgumentParser) -> Iterator[tuple[str, jsonargparse.ArgumentParser]]:
    deeper = [action for action in parser._actions if isinstance(getattr(action, "choices", None), dict)]
    if not deeper:
        yield name, parser
    for action in deeper:
        for one in list(action.choices or {}):
            yield from _below(f"{name} {one}".strip(), action._name_parser_map[one])  # type: ignore[attr-defined]


def options_of(parser: jsonargparse.ArgumentParser) -> dict[str, Action]:
    """Finds the arguments and options of a command, by the name that is typed."""
    named = {max(action.option_strings, key=len, default=action.dest): action for action in parser._actions}
    return {name: action for name, action in named.items() if name not in ("--help", "--print_config", "--config")}


def choices_of(action: Action) -> list[str]:
    """Returns the choices of an option; none where it takes any value."""
    if action.choices:
        return [str(choice) for choice in action.choices]
    kind = getattr(action, "_typehint", None)
    return [str(choice) for choice in get_args(kind)] if get_origin(kind) is Literal else []


def is_required(name: str, action: Action, parser: jsonargparse.ArgumentParser) -> bool:
    """Returns whether an argument or option must be given."""
    usage = " ".join(parser.format_usage().split())
    return not name.startswith("-") or f"{name} " in usage
