"""What a build refuses to buy with, and what it says of money that lies elsewhere."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from desks import asked
from ran import Run

from builder.bench.provider import Settings, provider
from builder.ledger import Ledger

MODEL, BATCH = "anthropic/claude-sonnet-4-5", "anthropic-batch/claude-sonnet-4-5"
# The provider's prose is made of the starter's sentences, and knows nobody's name.
SETTINGS = ("size.spare=0", "gates.copied_words=100000", "identity.invented=0.0", "identity.unnamed=0.85")
LOOSE = ("--documents", "3", *(word for setting in SETTINGS for word in ("--set", setting)))


@pytest.mark.parametrize(
    ("role", "model", "said"),
    [
        ("rewriter", "offline/composer", "reads no text"),  # it would put a rehearsal in place of what was paid for
        ("judge", "offline/composer", "reads no text"),  # it would let everything pass
        ("writer", "", "models.writer is empty"),
    ],
)
def test_a_role_that_its_model_cannot_play(
    project_folder: Path, monkeypatch: pytest.MonkeyPatch, bildung: Run, role: str, model: str, said: str
) -> None:
    monkeypatch.chdir(project_folder)
    ended = bildung("build", "--model", f"{role}={model}")
    assert ended.code == 2 and said in ended.err and not (project_folder / "corpus/example/ledger.sqlite").exists()


def test_a_prompt_with_a_fault_costs_nothing_and_batches_of_other_models_are_told(
    project_folder: Path, monkeypatch: pytest.MonkeyPatch, bildung: Run
) -> None:
    monkeypatch.chdir(project_folder)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "any")
    with closing(Ledger(project_folder / "corpus/example/ledger.sqlite")) as ledger:
        ledger.journal().intend("0" * 12, [asked(1, BATCH), asked(2, BATCH)])
    roles = ("--model", f"writer={MODEL}", "--model", f"rewriter={MODEL}")
    prompts = [project_folder / "story_prompts" / name / "rewrite.md" for name in ("story", "document", "advice")]
    with provider(Settings(answer_tokens=500)) as running:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", running.url)
        texts = [prompt.read_text(encoding="utf-8") for prompt in prompts]
        for prompt in prompts:
            prompt.write_text(prompt.read_text(encoding="utf-8") + "{nobody}", encoding="utf-8")
        ended = bildung("build", *LOOSE, *roles)
        assert ended.code == 2 and "rewrite.md uses {nobody}" in ended.err and running.requests() == 0
        for prompt, text in zip(prompts, texts, strict=True):
            prompt.write_text(text, encoding="utf-8")
        ended = bildung("build", *LOOSE, *roles)
        assert f"2 requests lie at the provider in batches (1 of {BATCH})" in ended.err and running.bill().answers >= 6
