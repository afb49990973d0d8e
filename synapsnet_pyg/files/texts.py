r"""Texts of a user's files, such as names, ids and paths, where something else would be read into them.

A terminal reads escape codes, LaTeX backslashes, Markdown pipes, a spreadsheet formulas, matplotlib dollar signs. Each
function here makes a text mean itself in one of these places; the functions of ``plots`` do so for matplotlib.
"""

import re
import sys
from collections.abc import Iterable
from html import escape
from typing import TextIO

_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u2064\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff"
    "\U000e0000-\U000e007f]"
)
"""Control characters, line breaks, characters that turn the direction of writing or show nothing, and halves."""

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_NUMBER = re.compile(r"(?:[-+\s\d.,;:()%<]| to |\de(?=[-+]?\d)|inf|nan)*", re.IGNORECASE)

_TEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "$": r"\$", "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_", "|": r"\textbar{}", "<": "$<$", ">": "$>$",
}  # fmt: skip


def plain(text: object) -> str:
    r"""Returns a text in one line that a terminal shows as it is: invisible characters become visible codes.

    Example:
        >>> print(plain("a\nb \x1b[31mred"))
        a\nb \x1b[31mred
    """
    return _INVISIBLE.sub(lambda match: match[0].encode("unicode_escape").decode(), str(text))


def say(*lines: object, file: TextIO | None = None, flush: bool = False) -> None:
    """Prints lines, each by :func:`plain`; every text of the command line is printed here.

    Args:
        *lines: Lines; none prints an empty line.
        file: Stream; None: standard output.
        flush: Whether the lines are to be seen at once.
    """
    print("\n".join(map(plain, lines)), file=file or sys.stdout, flush=flush)


def cell(text: str) -> str:
    """Returns a text for a cell of a CSV file, with an apostrophe before what a spreadsheet takes for a formula.

    Numbers stay. :func:`text_of_cell` takes the apostrophe away.

    Example:
        >>> cell("=1+1"), cell("-0.5"), cell("'@x")
        ("'=1+1", '-0.5', "''@x")
    """
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def text_of_cell(text: str) -> str:
    """Returns the text that :func:`cell` made a cell of.

    Example:
        >>> text_of_cell("'=1+1"), text_of_cell("'quoted'")
        ('=1+1', "'quoted'")
    """
    return text[1:] if text.startswith("'") and cell(text[1:]) == text else text


def cells(row: Iterable[object]) -> list[object]:
    """Returns a row for a CSV file, its texts by :func:`cell`; a number that is not known is an empty cell."""
    return ["" if entry != entry else cell(entry) if isinstance(entry, str) else entry for entry in row]


def tex(text: str) -> str:
    r"""Returns a text for LaTeX, where its characters print themselves; ``+-`` between words becomes a sign.

    Example:
        >>> print(tex(r"50 % of \a_b"), tex("0.5 +- 0.1"))
        50 \% of \textbackslash{}a\_b 0.5 $\pm$ 0.1
    """
    return "".join(_TEX.get(letter, letter) for letter in plain(text)).replace(" +- ", r" $\pm$ ")


def markdown(text: str) -> str:
    r"""Returns a text for a line or a cell of a table in Markdown, with nothing of it read as markup.

    Example:
        >>> print(markdown("a|b, own_past, < 0.1, <b>, [x](y)"))
        a\|b, own_past, < 0.1, \<b>, [x]\(y)
    """
    text = re.sub(r"[\\`*|]|<(?=[A-Za-z/!?])|&(?=#|\w+;)|(?<!\w)_|_(?!\w)|~(?=~)", r"\\\g<0>", plain(text))
    return text.replace("](", r"]\(")


def html(text: str) -> str:
    """Returns a text for HTML and for names in figures of plotly, which reads some of it.

    Example:
        >>> html("<b> & c")
        '&lt;b&gt; &amp; c'
    """
    return escape(plain(text))


def storable(text: str) -> str:
    r"""Returns a text that every file can hold: NUL and halves of characters become visible codes.

    Example:
        >>> print(storable("a\x00b\udcff"))
        a\x00b\udcff
    """
    return re.sub("[\x00\ud800-\udfff]", lambda match: plain(match[0]), text)
