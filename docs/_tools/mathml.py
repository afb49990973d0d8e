"""Equations as MathML, which browsers draw without scripts and without the internet."""

import re

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

_STYLE = re.compile(r"\\textstyle\s*")
"""Declaration that docutils takes at the start of a group only; sums are drawn well without it."""

_SIZED = re.compile(r"\\([bB]ig{1,2})(?![A-Za-z])")
"""Commands of delimiters without a side, which docutils does not know."""

_ACCENT = re.compile(r"(\\(?:hat|bar|tilde|dot) *(?:\{[^{}]*\}|\\[A-Za-z]+|[A-Za-z]))(?=[_^])")
"""Accent with its letter and an index, which docutils would set below the letter, but beside an empty group."""


def mathml(equation: str, block: bool) -> str:
    """Returns the MathML of an equation.

    Args:
        equation: Equation in TeX.
        block: True for an equation on lines of its own.
    """
    equation = _SIZED.sub(r"\\\1l", _STYLE.sub("", equation.strip()))
    equation = _ACCENT.sub(r"\1{}", equation)
    if block and (r"\\" in equation or "&" in equation) and not equation.startswith(r"\begin"):
        equation = rf"\begin{{aligned}}{equation}\end{{aligned}}"
    return str(tex2mathml(equation, as_block=block))


def _visit_math(self: HTML5Translator, node: nodes.math) -> None:
    self.body.append(mathml(node.astext(), block=False))
    raise nodes.SkipNode


def _visit_math_block(self: HTML5Translator, node: nodes.math_block) -> None:
    self.body.append(f'<div class="math">{mathml(node.astext(), block=True)}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the renderer."""
    app.add_html_math_renderer("mathml", (_visit_math, None), (_visit_math_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
