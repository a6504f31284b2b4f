"""A tokenizer's chat template as what it puts before and after a question.

A template is a program by whoever made the model. It runs once, in a process of its own with limits of time and memory, on two made-up
questions; prompts are then formed by joining texts. So no data reaches a template, and none can hang or fill this process.
"""

import json
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

PROBES = ("In which town is the lighthouse of Ovrin?", "Zq7, x")
SECONDS, BYTES, MOST_TEXT = 30, 2**31, 20_000
BEGIN, PLAIN = "the tokenizer's chat template", "plain prompts (--no-chat-template) need none"
GIVEN = {"date_string": "26 Jul 2024", "enable_thinking": False}  # no prompt depends on the day; the answer follows at once


def frame(tokenizer: Any) -> tuple[str, str] | None:
    """What the tokenizer's chat template puts before a user's question and between it and the answer; None if it has no template.

    Raises ValueError if the template fails, does not end, or does more than put texts around the question.
    """
    if not tokenizer.chat_template:
        return None
    names = sorted(name for name, token in tokenizer.special_tokens_map.items() if isinstance(token, str))
    return _frame(tokenizer.get_chat_template(), tuple((name, tokenizer.special_tokens_map[name]) for name in names))


@lru_cache(maxsize=8)
def _frame(template: str, specials: tuple[tuple[str, str], ...]) -> tuple[str, str]:
    texts = _rendered(json.dumps({"template": template, "specials": dict(specials)}))
    frames = {tuple(text.split(probe)) for text, probe in zip(texts, PROBES, strict=True)}
    if len(frames) != 1 or len(found := frames.pop()) != 2:
        raise ValueError(f"{BEGIN} does more than put texts before and after the question; {PLAIN}")
    return found


def _rendered(asked: str) -> list[str]:
    root = Path(__file__).resolve().parent.parent
    try:
        done = subprocess.run(
            [sys.executable, "-m", "analysis.chat"], cwd=root, input=asked, capture_output=True, text=True, encoding="utf-8",
            timeout=SECONDS,
        )
        if done.returncode == 0:
            return json.loads(done.stdout)
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"{BEGIN} has not ended after {SECONDS} seconds; {PLAIN}") from error
    said = done.stderr.strip().splitlines()
    cause = said[-1][:200] if said else "it takes too much time or memory"
    raise ValueError(f"{BEGIN} fails: {cause}; {PLAIN}")


def _render(asked: str) -> str:
    """In the process of its own: the probes, each as a user's only turn, with the beginning of the answer's."""
    from transformers.utils.chat_template_utils import render_jinja_template

    _limit()
    given = json.loads(asked)
    chats = [[{"role": "user", "content": probe}] for probe in PROBES]
    texts = render_jinja_template(chats, chat_template=given["template"], add_generation_prompt=True, **given["specials"], **GIVEN)
    texts = texts[0] if isinstance(texts, tuple) else texts
    if max(map(len, texts)) > MOST_TEXT:
        raise ValueError(f"it makes {max(map(len, texts)):,} characters of a short question")
    return json.dumps(texts)


def _limit() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS // 2, SECONDS // 2))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


if __name__ == "__main__":
    try:
        print(_render(sys.stdin.read()))
    except Exception as error:  # whatever a template raises is the cause to be told
        sys.exit(f"{type(error).__name__}: {' '.join(str(error).split())}")
