"""A model that Lethe unlearned is a plain Hugging Face model: it loads without Lethe and gives the logits that its run recorded."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from analysis.logit_record import N_HIGHEST, highest_logits
from analysis.methods import GradDiff
from analysis.model import fingerprint, load_model
from analysis.record import record_run
from analysis.unlearning import UnlearningConfig
from tests.tiny_models import tiny_model

PLAIN = """
import json, sys
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
folders, questions = sys.argv[2:], json.loads(sys.argv[1])
loaded = [(AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)) for folder in folders]
rows = []
for (model, tokenizer), question in [(each, question) for each in loaded for question in questions]:
    if tokenizer.chat_template:
        chat = [{"role": "user", "content": question}]
        text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        tokens = tokenizer.encode(text, add_special_tokens=False)
    else:
        tokens = tokenizer.encode(f"Question: {question}\\nAnswer:")
    with torch.no_grad():
        best = model(torch.tensor([tokens])).logits[0, -1].topk(5)
    rows.append([best.indices.tolist(), best.values.tolist()])
assert not any(name.split(".")[0] in ("analysis", "components") for name in sys.modules)
print(json.dumps(rows))
"""


def recorded_run(folder: Path, samples, tokenizer, kind: str = "gpt2", dtype: str = "float32") -> tuple[dict, str]:
    tiny_model(kind, len(tokenizer)).float().save_pretrained(folder / "before")
    tokenizer.save_pretrained(folder / "before")
    handle = load_model(folder / "before", "cpu", dtype)
    before = handle.fingerprint
    config = UnlearningConfig(GradDiff(), learning_rate=3e-3, batch_size=3, n_epochs=1)
    record_run(handle, samples[:4], samples[4:], config, folder / "run")
    assert fingerprint(handle.model) == before  # what is shared was not touched
    return json.loads((folder / "run" / "manifest.json").read_text()), before


def test_the_manifest_says_what_the_saved_model_says_next(tmp_path, samples, tokenizer):
    manifest, before = recorded_run(tmp_path, samples, tokenizer)
    from analysis.tokens import tokenize

    batch, ids = tokenize(samples[:4], tokenizer), [sample.id for sample in samples[:4]]
    after, old = (load_model(tmp_path / name, "cpu") for name in ("run/model", "before"))
    assert highest_logits(after.model, batch, ids) == manifest["logits"] != highest_logits(old.model, batch, ids)
    assert manifest["logits"]["sample_ids"] == ids and {len(row) for row in manifest["logits"]["tokens"]} == {N_HIGHEST}
    assert (manifest["model"], manifest["dtype"], manifest["prompt_form"]) == (str(tmp_path / "before"), "float32", "plain")
    assert manifest["fingerprint"] == before != after.fingerprint and manifest["tokenizer"] == after.tokenizer_hash


def test_a_model_in_half_precision_is_trained_and_saved_in_float32(tmp_path, samples, tokenizer):
    manifest, _ = recorded_run(tmp_path, samples, tokenizer, "llama", "bfloat16")
    assert manifest["dtype"] == "bfloat16" and load_model(tmp_path / "run/model", "cpu", "auto").dtype == "float32"


@pytest.mark.slow
def test_plain_transformers_in_a_fresh_process_gives_the_recorded_logits(tmp_path, samples, tokenizer):
    import copy

    recorded = []
    for name, template in (("plain", None), ("chat", "{% for m in messages %}<u>{{ m.content }}</u>{% endfor %}<a>")):
        own = copy.deepcopy(tokenizer)
        own.chat_template = template
        recorded.append(recorded_run(tmp_path / name, samples, own, "llama")[0]["logits"])
    asked = json.dumps([sample.question for sample in samples[:4]]), *(str(tmp_path / name / "run/model") for name in ("plain", "chat"))
    done = subprocess.run([sys.executable, "-c", PLAIN, *asked], capture_output=True, text=True, check=True, cwd=tmp_path)
    rows = json.loads(done.stdout.splitlines()[-1])
    assert [tokens for tokens, _ in rows] == [row for logits in recorded for row in logits["tokens"]]
    values = torch.tensor([row for logits in recorded for row in logits["logits"]])
    torch.testing.assert_close(torch.tensor([values for _, values in rows]), values, atol=2e-5, rtol=0)
    assert recorded[0]["tokens"] != recorded[1]["tokens"]  # the template counts
