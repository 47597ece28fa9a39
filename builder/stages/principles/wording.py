"""What a stretch of source is, told by its words: a title, nothing but links, markup without words, an example."""

from __future__ import annotations

import re

from builder.records import PrincipleKind, slugify
from builder.stages.principles.parsing import ADMONITION
from builder.stages.principles.reasons import MARKER

_GIVEN_ID = re.compile(r"#([^\s{}#]+)")
_LINK = re.compile(r"!?\[([^\[\]]*)\](?:\((?:[^()]|\([^()]*\))*\)|\[[^\[\]]*\])|<https?:[^<>\s]*>|\[\[[^\[\]]*\]\]")
_ANCHOR = re.compile(r"\]\(\s*#")
_TOC_MARK = re.compile(r"^\s*(?:\[TOC\]|\[\[_?TOC_?\]\]|\{:toc\}|\{\{\s*toc\s*\}\}|\$\{toc\})\s*$", re.IGNORECASE)
_LINK_DEFINITION = re.compile(r"[ >]*\[[^\[\]^][^\[\]]*\]:[ \t]*\S+(?:[ \t]+(?:\"[^\"]*\"|'[^']*'|\([^()]*\)))?[ \t]*")
_WORD_CHARACTER = re.compile(r"[^\W_]")
_NO_WORDS = re.compile(r"[\W\d_]*")
_SILENT = [
    (re.compile(r"<script\b", re.IGNORECASE), re.compile(r"</script>", re.IGNORECASE)),
    (re.compile(r"<style\b", re.IGNORECASE), re.compile(r"</style>", re.IGNORECASE)),
]
_COMMENT = (re.compile("<!--"), re.compile("-->"))
_TAG = re.compile(r"<[^<>]*>")
_ALERT = re.compile(r"^[ \t>]*\[!(\w+)\]", re.IGNORECASE)
_EXAMPLE_FENCE = re.compile(
    r"</?(?:user|assistant|developer|system|human|comparison|example)\b"
    r"|^\s*(?:user|assistant|human|ai|operator|good|bad)\s*:",
    re.IGNORECASE | re.MULTILINE,
)
_EXAMPLE_LEAD = re.compile(r"^[\W_]*(?:\w+ )?examples?\b|\b(?:examples?|for instance)\b[^.]*:[*_]*\s*$", re.IGNORECASE)
_PLAIN_FENCES = frozenset(["", "text", "txt", "md", "markdown"])
_COMMENTARY_TYPES = frozenset(
    [
        "meta",
        "note",
        "notes",
        "info",
        "commentary",
        "comment",
        "tip",
        "hint",
        "abstract",
        "summary",
        "quote",
        "question",
    ]
)


def has_words(text: str) -> bool:
    """Whether there is a letter or a digit besides list and quote markers."""
    return bool(_WORD_CHARACTER.search(MARKER.sub("", text)))


def title_and_id(content: str) -> tuple[str, str]:
    """A heading's words and its given id: ``Be kind {#kind a=b}`` is ("Be kind", "kind")."""
    given = ""
    words, brace, attributes = content.rpartition("{")
    if brace and attributes.rstrip().endswith("}") and re.search(r"[#=]|^:?[ \t]*\.\w|^-\}", attributes):
        content = words
        found = _GIVEN_ID.search(attributes)
        given = found[1].lower() if found else ""
    if given and not re.fullmatch(r"[a-z0-9_-]{1,60}", given):
        given = slugify(given)
    title = _TAG.sub("", _LINK.sub(lambda link: link[1] or "", content))
    title = re.sub(r"(?<!\w)[*_]{1,3}|[*_]{1,3}(?!\w)|`|\\(?=\W)", "", title)
    return " ".join(title.split()), given


def container_hint(opener: str) -> PrincipleKind | None:
    """Commentary for notes, example for examples; a warning or a plain quote is judged by its words."""
    found = ADMONITION.match(opener.strip()) or _ALERT.match(opener)
    if found is None:
        return None
    name = found[0].lower()
    if "example" in name:
        return "example"
    if re.search(r"\b(?:rationale|reasons?|why)\b", name):
        return "reason"
    if found[1].lower() in _COMMENTARY_TYPES or "commentary" in name:
        return "commentary"
    return None


def is_example(info: str, content: str, lead: str) -> bool:
    """Whether a fence holds a worked example and not code. ``lead`` is the text that stands before it."""
    language = info.strip().lower()
    if "example" in language or _EXAMPLE_FENCE.search(content):
        return True
    return language in _PLAIN_FENCES and bool(_EXAMPLE_LEAD.search(lead))


def is_example_lead(text: str) -> bool:
    """Whether a paragraph announces an example: ``**Example**: a request for ...``."""
    return bool(_EXAMPLE_LEAD.search(text))


def link_list_reason(text: str) -> str | None:
    """``table_of_contents`` or ``link_list`` where a text is nothing but links."""
    if _TOC_MARK.match(text):
        return "table_of_contents"
    if "[" not in text and "<http" not in text:
        return None
    bare, links = _LINK.subn("", _LINK.sub("", text))
    if bare == text or not _NO_WORDS.fullmatch(bare):
        return None
    if _ANCHOR.search(text):
        return "table_of_contents"
    return "link_list" if re.search(r"(?<!!)\[|<http", text) else "image"


def paragraph_reason(text: str) -> str | None:
    """Why a paragraph is no prose, or ``None``."""
    if not has_words(text):
        return "no_words"
    if all(_LINK_DEFINITION.fullmatch(line) for line in text.split("\n")):
        return "link_definition"
    return link_list_reason(text)


def html_reason(text: str) -> str | None:
    """Why a block of HTML is no prose, or ``None``; the words between tags are prose."""
    bare = _without(text, *_COMMENT)
    spoken = bare
    for opener, closer in _SILENT:
        spoken = _without(spoken, opener, closer)
    if _WORD_CHARACTER.search(_TAG.sub("", spoken)):
        return None
    return "html_markup" if _TAG.search(bare) else "html_comment"


def _without(text: str, opener: re.Pattern[str], closer: re.Pattern[str]) -> str:
    """Text without what stands between two marks; linear, where one lazy pattern is quadratic on unclosed openers."""
    kept: list[str] = []
    at = 0
    while (start := opener.search(text, at)) and (end := closer.search(text, start.end())):
        kept.append(text[at : start.start()])
        at = end.end()
    return "".join([*kept, text[at:]])
