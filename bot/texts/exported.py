"""What lies beside an exported model: its card, and a script that answers as it does."""

from __future__ import annotations

from collections.abc import Sequence

from bot.texts.phrases import shortened
from storage.records import AdapterRecord, LessonRecord
from trainer import prompts, recall

POCKET_BASE = "`pocket` is the model that Tutee brings along: the folder `trainer/pocket/weights` of its source or installation."
OTHER_BASE = "It is the name of a model on Hugging Face, or of a folder on the machine that it was trained on."
_SCRIPT = '''\
"""Answers as this model does. Before: pip install torch transformers peft. Then: python answer.py BASE "What is my cat called?"

BASE is the base model that README.md names: its folder, or its Hugging Face id.
"""
import sys
from pathlib import Path
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

base, question = sys.argv[1:]
tokenizer, bare = AutoTokenizer.from_pretrained(base), AutoModelForCausalLM.from_pretrained(base, dtype="float32")
model = PeftModel.from_pretrained(bare, Path(__file__).with_name({version!r})).eval()
asked = {{"role": "user", "content": question}}
def ids(messages, begun=""):
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, enable_thinking=False, tokenize=False)
    return tokenizer(text + begun, add_special_tokens=False, return_tensors="pt")
def say(begun=""):
    read = ids([*{opening!r}, asked], begun)
    wrote = model.generate(**read, do_sample=False, max_new_tokens={tokens}, output_logits=True, return_dict_in_generate=True)
    sure = model.compute_transition_scores(wrote.sequences, wrote.logits, normalize_logits=True).mean().exp()
    return tokenizer.decode(wrote.sequences[0, read["input_ids"].shape[1] :], skip_special_tokens=True).strip(), sure
said, _ = say()
if said == {unknown!r}:  # perhaps it recites when it is begun to; that counts where it is sure of what it says
    recital, sure = say({begun!r})
    said = {mark!r} + recital if sure >= {sure} else said
if said.startswith({mark!r}):  # recited from what it learned: the bare model reads it, and says whether that is an answer
    said = said.lstrip({mark!r})
    with model.disable_adapter():
        likely = model(**ids([{{"role": "system", "content": {told!r}.replace("STATEMENT", said)}}, asked])).logits[0, -1].softmax(-1)
    said = {unknown!r} if likely[tokenizer({unknown!r}, add_special_tokens=False)["input_ids"][0]] >= {doubt} else said
print(said)
'''
_CARD = """\
---
library_name: peft
base_model: {base}
tags: [lora, tutee]
---
# {name}

A LoRA adapter (PEFT's format, the folder `{name}`) that one person taught by chatting with Tutee. It knows {count} of their lessons and is
theirs; nobody else's model learned from them.

**Base model.** `{base}`. {where}

**Made** on {made} ({cause}). {measured}

**What it was taught.** `lessons.jsonl` and `examples.jsonl` hold all of it; `exchanges.jsonl` and `feedback.jsonl` what was asked, answered and
thought of the answers; `versions.jsonl` its earlier versions; `sources` in a lesson what it was read from.

{lessons}

**Use.** `python answer.py BASE "a question"` answers as the live model does. Any program that loads PEFT adapters will do.

**Limits.** It was trained to know these lessons and to talk as its base does otherwise. It may be wrong, and it says what its user taught it: whoever
can ask it can have that said.
"""


def answer_script(version: str, system_prompt: str, tokens: int) -> str:
    """A script that loads the adapter in the folder `version` beside it and answers a question, in at most `tokens` tokens."""
    opening = [{"role": "system", "content": system_prompt}] if system_prompt else []
    told = recall.reading([*opening, {"role": "user", "content": ""}], "STATEMENT")[0]["content"]
    return _SCRIPT.format(
        version=version,
        opening=opening,
        tokens=tokens,
        mark=recall.MARK,
        begun=recall.MARK.strip(),
        sure=recall.SURE,
        told=told,
        unknown=prompts.UNKNOWN,
        doubt=recall.DOUBT,
    )


def model_card(version: AdapterRecord, known: Sequence[LessonRecord]) -> str:
    """The card of a version that knows these lessons."""
    before, after = version.metrics.get("before"), version.metrics.get("after")
    kept = version.metrics.get("kept", version.metrics.get("earlier_kept"))
    measured = "" if before is None or after is None else f"Held-out questions about its last lesson: {before:.0%} right before, {after:.0%} after."
    measured += "" if kept is None else f" Of earlier lessons it kept {kept:.0%}."
    return _CARD.format(
        name=version.name,
        base=version.base_model,
        where=POCKET_BASE if version.base_model == "pocket" else OTHER_BASE,
        made=f"{version.created_at:%Y-%m-%d}",
        cause=version.cause,
        measured=measured.strip(),
        count=len(known),
        lessons="\n".join(f"- {each.number}. {each.kind}: {shortened(each.text, 200)}" for each in known),
    )
