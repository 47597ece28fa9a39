"""The Markdown parser: CommonMark block structure, tables, admonitions and footnotes, deep enough for real lists.

Inline markup is never parsed: texts are kept verbatim, and half of the time of a 10 MB parse goes there.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_block import StateBlock
from markdown_it.token import Token

MAX_NESTING = 200  # about a hundred list levels; the preset's 20 silently keeps 9 of 30; each level costs Python stack

ADMONITION = re.compile(r"(?:!!!|\?\?\?\+?)[ \t]*([\w-]+)(.*)")
_FOOTNOTE = re.compile(r"\[\^[^\]\s]+\]:")
_LEAVES = frozenset(["paragraph_open", "heading_open", "table_open", "footnote", "fence", "code_block", "html_block"])


@functools.cache
def parser() -> MarkdownIt:
    """The one parser; it holds no state between parses."""
    markdown = MarkdownIt("commonmark", {"maxNesting": MAX_NESTING}).enable("table")
    markdown.disable(["inline", "text_join", "reference"])
    terminates: RuleOptionsType = {"alt": ["paragraph", "blockquote", "list"]}
    markdown.block.ruler.before("code", "admonition", _admonition_rule, terminates)
    markdown.block.ruler.before("code", "footnote", _footnote_rule, terminates)
    return markdown


def _admonition_rule(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """``!!! type "Title"`` and the lines indented by four or more below it."""
    if state.is_code_block(start) or not ADMONITION.match(_line(state, start)):
        return False
    if silent:
        return True
    indent = state.blkIndent + 4
    last = _indented_end(state, start + 1, end, indent)
    token = state.push("admonition_open", "div", 1)
    token.map = [start, last]
    kept = state.blkIndent, state.lineMax, state.parentType
    state.blkIndent, state.lineMax, state.parentType = indent, last, "blockquote"
    state.md.block.tokenize(state, start + 1, last)
    state.blkIndent, state.lineMax, state.parentType = kept
    state.push("admonition_close", "div", -1)
    state.line = last
    return True


def _footnote_rule(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """``[^1]: text``, the lines that run on from it, and the indented paragraphs below."""
    if state.is_code_block(start) or not _FOOTNOTE.match(_line(state, start)):
        return False
    if silent:
        return True
    last = start + 1
    while last < end and not state.isEmpty(last) and not re.match(r"\[\^|#|[-*+] |!!!|```|~~~", _line(state, last)):
        last += 1
    token = state.push("footnote", "", 0)
    token.map = [start, _indented_end(state, last, end, state.blkIndent + 4)]
    state.line = token.map[1]
    return True


def _line(state: StateBlock, line: int) -> str:
    return state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]


def _indented_end(state: StateBlock, start: int, end: int, indent: int) -> int:
    """The line after the last one that is indented enough; blank lines count only between such lines."""
    last = start
    for line in range(start, end):
        if state.isEmpty(line):
            continue
        if state.sCount[line] < indent:
            break
        last = line + 1
    return last


def closing_places(tokens: Sequence[Token]) -> list[int]:
    """For each token the place of its closing token (its own place when it has none)."""
    closes = list(range(len(tokens)))
    open_at: list[int] = []
    for at, token in enumerate(tokens):
        if token.nesting == 1:
            open_at.append(at)
        elif token.nesting == -1:
            closes[open_at.pop()] = at
    return closes


def is_leaf(token: Token) -> bool:
    """Whether a token stands for lines of its own."""
    return token.type in _LEAVES and bool(token.map)
