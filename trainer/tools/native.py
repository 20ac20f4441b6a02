"""The form of a tool call in which a base model was trained itself, as its chat template writes it."""

from __future__ import annotations

from typing import Any

from trainer.model import BaseModel
from trainer.tools.calls import Call, called, written


def call_text(base: BaseModel, call: Call) -> str:
    """The call as this model should write it: as its own chat template does where it knows tools, else in lines of Thought and Action."""
    template = str(base.tokenizer.get_chat_template())
    if "tool_calls" not in template or "tools" not in template:
        return written(call)
    asked: list[dict[str, Any]] = [{"role": "user", "content": "x"}]
    function = {"name": call.tool, "arguments": dict(call.arguments)}
    turn = {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "id": "call00001", "function": function}]}
    settings: dict[str, Any] = {"tokenize": False, **({"enable_thinking": False} if "enable_thinking" in template else {})}
    try:
        whole = str(base.tokenizer.apply_chat_template([*asked, turn], **settings))
        before = str(base.tokenizer.apply_chat_template(asked, add_generation_prompt=True, **settings))
    except Exception:  # templates raise whatever their authors chose; a model without a usable one learns the common form
        return written(call)
    shared = next((i for i, (one, other) in enumerate(zip(whole, before, strict=False)) if one != other), len(before))
    text = whole[shared:] if shared < len(before) else whole[len(before) :]
    for token in base.tokenizer.all_special_tokens:
        text = text.strip().removesuffix(str(token))
    found = called(text.strip())
    return text.strip() if found is not None and found.same(call) else written(call)
