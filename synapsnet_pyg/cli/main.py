"""The command line: parses words, calls a command, and reports an input error in one line with exit status 2."""

import re
import sys
import warnings
from argparse import HelpFormatter
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter, isfunction, signature
from io import TextIOWrapper
from typing import Annotated, Any, NoReturn, get_args, get_origin

try:
    from docstring_parser import parse as parse_docstring
    from jsonargparse import ActionConfigFile, ArgumentParser, get_loader, set_loader
    from yaml import YAMLError
except ImportError as error:
    print(f"synapsnet: error: {error}; install synapsnet_pyg with its extras, [train,viz]", file=sys.stderr)
    raise SystemExit(2) from None

from synapsnet_pyg import __version__
from synapsnet_pyg.cli import benchmarks, comparison, data, experiments, groups, intake, perturbation, runs
from synapsnet_pyg.cli.endings import run_to_end
from synapsnet_pyg.files import say
from synapsnet_pyg.files.memory import return_freed_memory
from synapsnet_pyg.files.yaml_files import read_yaml
from synapsnet_pyg.processes.late_imports import import_late
from synapsnet_pyg.progress import on_terminal

COMMANDS: tuple[Callable[..., None], ...] = tuple(
    function
    for module in (data, intake, runs, perturbation, groups, comparison, benchmarks, experiments)
    for name, function in vars(module).items()
    if isfunction(function) and function.__module__ == module.__name__ and not name.startswith("_")
)
"""Commands: every public function of these modules, in order."""

OLD_NAMES = {"changes": "dynamics"}
"""Old name of a command -> new name. Old names work for one release; --help does not list them."""


AGAIN = {"fit": "--resume", "adapt": "--resume", "benchmark": "", "tune": ""}
"""First word of a command -> option with which it goes on after an interrupt."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit status: 0, 2 for an input error, 130, 143 or 129 after a signal."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # for letters of a name that the terminal does not have
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and words[0] in OLD_NAMES:
        name = OLD_NAMES[words[0]]
        say(f"synapsnet: '{words[0]}' is the old name of '{name}', which will go; use the new one", file=sys.stderr)
        words[0] = name
    if not words:
        _parser().print_help(sys.stderr)
        return 2
    names = {command.__name__ for command in COMMANDS}
    called = next((words[:n] for n in (1, 2) if "_".join(words[:n]) in names), [])
    return run_to_end(" ".join(["synapsnet", *called]), lambda: _run(words), AGAIN.get(words[0]))


def _run(words: Sequence[str]) -> None:
    """Parses words and calls the command."""
    given = _parser().parse_args(words)
    name = given.command
    values = given[name]
    if "command" in values:
        name, values = f"{name}_{values.command}", values[values.command]
    command = next(c for c in COMMANDS if c.__name__ == name)
    values = values.as_dict()
    files = values.pop("config", None)
    import_late()
    return_freed_memory()
    with warnings.catch_warnings(), on_terminal():
        warnings.filterwarnings("always", category=UserWarning)
        warnings.showwarning = _warning_printer()
        try:
            command(**values)
        except ValueError as error:
            if files:
                error.args = (f"{str(error).removesuffix('.')} (options of '{files[0]}').",)
            raise


class _Help(HelpFormatter):
    """Help without the types of options; examples keep their lines."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """Wraps a text, except for examples."""
        if not text.startswith("examples:"):
            return super()._fill_text(text, width, indent)
        return "\n".join(f"{indent}{line}" for line in text.splitlines())


class _Parser(ArgumentParser):
    """Parser that reports an error in one line."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"formatter_class": _Help, "allow_abbrev": False, **kwargs})

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Prints the error, without the names of Python types, and exits with status 2."""
        prog = self.prog.replace(" [options]", "")
        say(f"{prog}: error: {_plain(message)} (see --help)", file=sys.stderr)
        raise SystemExit(2)


class _ConfigFile(ActionConfigFile):
    """Option of a YAML file, which is looked at before the parser reads it: it does not say which file is wrong."""

    def __call__(self, parser: Any, cfg: Any, values: Any, option_string: str | None = None) -> None:
        """Reads the options of a file."""
        known = {action.dest: action for action in parser._actions if action.dest not in ("config", "print_config")}
        try:
            options = read_yaml(values)
        except (OSError, ValueError) as error:
            parser.error(str(error).removesuffix("."))
        for name, value in options.items():
            action = known.get(name.partition(".")[0])
            if action is None:
                parser.error(f"'{values}' holds '{name[:50]}', which is no option of this command")
            elif value is None and (action.required or action.default is not None):
                parser.error(f"'{values}' holds '{name}' without a value")
        super().__call__(parser, cfg, values, option_string)


_read_yaml_value = get_loader("yaml")


def _read_value(text: str) -> Any:
    """Reads the value of an option; what YAML takes for a comment in a name, as in ``#1``, is a part of it."""
    value = _read_yaml_value(text)
    is_comment = "#" in text and "\n" not in text and (value is None or isinstance(value, str | int | float))
    return text if is_comment else value


set_loader("yaml", _read_value, (YAMLError,))


def _plain(message: str) -> str:
    """Returns an error of the parser in the words of this command line."""
    message = re.sub(r"a typing\.Literal\[(.*?)\]", r"one of \1", " ".join(message.split()))
    message = re.sub(r"an? <class 'float'>", "a number", re.sub(r"an? <class 'int'>", "a whole number", message))
    wrong = re.search(
        r'Parser key "([\w.]+)":.*?Expected (.*?)(?:\.| - Expected a <class .NoneType.>.*?) (?:Got|Given) '
        r"value: ?(.*)$",
        message,
    )
    if wrong:
        return f"expected --{wrong[1].replace('_', '-')} as {wrong[2]} (got '{wrong[3]}')"
    missing = re.search(r"the following arguments are required: (.*)", message)
    return f"the following arguments are required: {_typed_names(missing[1].split(', '))}" if missing else message


def _typed_names(keys: Sequence[str]) -> str:
    """Returns arguments as they are typed: ``fit.out`` is --out, ``fit.sessions`` is SESSIONS."""
    parameters: dict[str, Mapping[str, Parameter]] = {
        command.__name__.replace("_", "."): signature(command).parameters for command in COMMANDS
    }
    names, command = [], ""
    for key in keys:
        command, _, name = key.rpartition(".")
        known = parameters.get(command, {}).get(name)
        is_option = known is not None and known.kind is Parameter.KEYWORD_ONLY
        names.append(f"--{name.replace('_', '-')}" if is_option else name.upper())
    return ", ".join(names) + (f" of 'synapsnet {command.replace('.', ' ')}'" if command else "")


def _parser() -> _Parser:
    """Returns the parser of all commands."""
    parser = _Parser(
        prog="synapsnet", version=__version__, description="Forecast a recorded population and learn who drives whom."
    )
    subcommands = parser.add_subcommands(dest="command", required=True)
    groups: dict[str, Any] = {}
    for command in COMMANDS:
        group, _, last = command.__name__.rpartition("_")
        if group and group not in groups:
            outer = _Parser(description=f"Run a {group}; see 'synapsnet {group} NAME --help'.")
            subcommands.add_subcommand(group, outer, help=f"See 'synapsnet {group} --help'.")
            groups[group] = outer.add_subcommands(dest="command", required=True)
        summary = parse_docstring(command.__doc__ or "").short_description
        groups.get(group, subcommands).add_subcommand(last, _command_parser(command), help=summary)
    return parser


def _command_parser(command: Callable[..., None]) -> _Parser:
    """Returns the parser of a command: its docstring is the help, its parameters are arguments and options."""
    docstring = parse_docstring(command.__doc__ or "")
    description = " ".join(filter(None, (docstring.short_description, docstring.long_description)))
    texts = [example.description or "" for example in docstring.examples]
    examples = "\n".join(f"  {line}" for text in texts for line in text.splitlines())
    parser = _Parser(description=description, epilog=f"examples:\n{examples}", usage=_usage(command))
    parser.add_argument("--config", action=_ConfigFile, help="YAML file of options.")
    for action in parser._actions:
        if "--print_config" in action.option_strings:
            action.help, action.metavar = "Print all options as YAML and exit.", ""
    helps = {parameter.arg_name: parameter.description or "" for parameter in docstring.params}
    headings: dict[str, Any] = {}
    for parameter in signature(command).parameters.values():
        heading = getattr(command, "groups", {}).get(parameter.name)
        if heading and heading not in headings:
            headings[heading] = parser.add_argument_group(heading)
        _add(headings[heading] if heading else parser, parameter, " ".join(helps[parameter.name].split()))
    return parser


def _usage(command: Callable[..., None]) -> str:
    """Returns the usage line: arguments and required options, without the list of all options."""
    words = ["synapsnet", *command.__name__.split("_")]
    for parameter in signature(command).parameters.values():
        name = parameter.name.upper()
        if parameter.kind is not Parameter.KEYWORD_ONLY:
            words.append(f"{name} [{name} ...]" if parameter.annotation == list[str] else name)
        elif parameter.default is Parameter.empty:
            words.append(f"--{parameter.name.replace('_', '-')} {name}")
    return " ".join([*words, "[options]"])


def _add(parser: Any, parameter: Parameter, text: str) -> None:
    """Adds an argument (a parameter before the star) or an option (one after it) to a parser or a group of it."""
    text = _with_names(text)
    if parameter.default not in (Parameter.empty, None, False):
        text = f"{text.removesuffix('.')} (default: {parameter.default})."
    options: dict[str, Any] = {"type": parameter.annotation, "help": text.replace("%", "%%")}
    if get_origin(parameter.annotation) is Annotated:
        names = get_args(parameter.annotation)[1]
        text = f"{text.removesuffix('.')}. {names.help}."
        options = {"choices": names.choices, "metavar": parameter.name.upper(), "help": text}
    if parameter.kind is not Parameter.KEYWORD_ONLY:
        many = {"nargs": "+", "type": str} if parameter.annotation == list[str] else {}
        parser.add_argument(parameter.name, **(options | many))
        return
    flag = f"--{parameter.name.replace('_', '-')}"
    if parameter.annotation is bool:
        parser.add_argument(flag, action="store_true", help=text)
    elif parameter.default is Parameter.empty:
        parser.add_argument(flag, required=True, **options)
    else:
        parser.add_argument(flag, default=parameter.default, **options)


def _with_names(text: str) -> str:
    """Returns a help text with names in place of {models}, {estimators} and {forecasting_estimators}."""
    if "{" not in text:
        return text
    from synapsnet_pyg.connectivity.registry import ESTIMATORS
    from synapsnet_pyg.models.registry import MODELS

    names = {
        "models": (name for name in MODELS if name not in ESTIMATORS),
        "forecasting_estimators": (name for name in MODELS if name in ESTIMATORS),
        "estimators": iter(ESTIMATORS),
    }
    return text.format(**{key: ", ".join(values) for key, values in names.items()})


def _warning_printer() -> Callable[..., None]:
    """Returns a function that prints each warning about data once, in one line; other warnings are hidden."""
    told = set()

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        """Prints a warning about data."""
        from synapsnet_pyg.intake.notes import DataWarning

        if issubclass(category, DataWarning) and str(message) not in told:
            told.add(str(message))
            say(f"warning: {message}", file=sys.stderr)

    return show
