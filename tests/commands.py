"""Commands as they are typed, run within the suite."""

from synapsnet_pyg.cli.main import main


def run(capsys, *arguments):
    """Exit status, standard output and standard error of a command."""
    try:
        status = main([str(argument) for argument in arguments])
    except SystemExit as error:
        status = error.code
    told = capsys.readouterr()
    return status, told.out, told.err


def refused(capsys, *arguments):
    """The one line that a command says about bad input."""
    status, out, error = run(capsys, *arguments)
    assert status == 2, error
    assert out == ""
    assert "Traceback" not in error
    assert error.count("\n") == 1, error
    return error
