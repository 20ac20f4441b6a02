"""The part of OpenAI's chat completions format that the engine speaks (platform.openai.com/docs/api-reference/chat)."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field

from trainer.engine.generation import FinishReason, Generation, GenerationRequest

# Names that are safe as the name of a folder: no separators, no leading dot. The worker makes them (`user-17-v5`).
ADAPTER_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


def _encodable(text: str) -> str:
    text.encode()  # JSON can carry half a surrogate pair, which no tokenizer reads; UnicodeEncodeError is a ValueError
    return text


Text = Annotated[str, AfterValidator(_encodable)]


class TextPart(BaseModel):
    type: Literal["text"]
    text: Text


class Message(BaseModel):
    role: Literal["system", "developer", "user", "assistant"]
    content: Text | list[TextPart]

    def for_template(self) -> dict[str, str]:
        """As chat templates expect it; `developer` is OpenAI's newer word for `system`."""
        text = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        return {"role": "system" if self.role == "developer" else self.role, "content": text}


class StreamOptions(BaseModel):
    include_usage: bool = False


class ChatRequest(BaseModel):
    """Fields that are not listed are ignored, as OpenAI's own servers do with those they do not use.

    Where the last message is the assistant's, the answer goes on with it (vLLM's `continue_final_message`).
    """

    model: str
    messages: list[Message] = Field(min_length=1)
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    seed: int | None = None
    stop: str | list[str] | None = None
    logprobs: bool = False
    top_logprobs: int = Field(default=0, ge=0, le=20)
    ignore_eos: bool = False  # not OpenAI's but vLLM's and llama.cpp's, for benches
    n: Literal[1] | None = None

    def generation(self, prompt_ids: list[int], adapter: str | None, default_max_tokens: int) -> GenerationRequest:
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return GenerationRequest(
            prompt_ids=tuple(prompt_ids),
            adapter=adapter,
            max_new_tokens=self.max_completion_tokens or self.max_tokens or default_max_tokens,
            temperature=self.temperature or 0.0,
            top_p=1.0 if self.top_p is None else self.top_p,
            seed=self.seed,
            stop=tuple(stop),
            ignore_eos=self.ignore_eos,
            likeliest=max(1, self.top_logprobs) if self.logprobs else 0,
        )


class UnloadRequest(BaseModel):
    lora_name: str


class Answer:
    """Writes one generation as response bodies that share an id and a time."""

    def __init__(self, identifier: str, created: int, model: str, generation: Generation) -> None:
        self._same = {"id": f"chatcmpl-{identifier}", "created": created, "model": model}
        self._generation = generation

    def whole(self, text: str) -> dict[str, Any]:
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "logprobs": self._logprobs(), "finish_reason": self._finish()}
        return {**self._same, "object": "chat.completion", "choices": [choice], "usage": self._usage()}

    def first_chunk(self) -> str:
        return self._chunk({"role": "assistant", "content": ""}, None)

    def text_chunk(self, text: str) -> str:
        return self._chunk({"content": text}, None)

    def last_chunk(self) -> str:
        return self._chunk({}, self._finish())

    def usage_chunk(self) -> str:
        return sse({**self._same, "object": "chat.completion.chunk", "choices": [], "usage": self._usage()})

    def _chunk(self, delta: dict[str, str], finish: str | None) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return sse({**self._same, "object": "chat.completion.chunk", "choices": [choice]})

    def _logprobs(self) -> dict[str, Any] | None:
        def named(token: int, logprob: float) -> dict[str, Any]:
            return {"token": self._generation.token_text(token), "logprob": logprob, "bytes": None}

        chosen = self._generation.chosen
        content = [{**named(*each.token), "top_logprobs": [named(*other) for other in each.likeliest]} for each in chosen]
        return {"content": content} if chosen else None

    def _finish(self) -> str:
        return "length" if self._generation.finish_reason is FinishReason.LENGTH else "stop"

    def _usage(self) -> dict[str, int]:
        prompt, completion = self._generation.prompt_tokens, self._generation.completion_tokens
        return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def sse(body: dict[str, Any]) -> str:
    """One server-sent event."""
    return f"data: {json.dumps(body, ensure_ascii=False, separators=(',', ':'))}\n\n"


def error_body(message: str, kind: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
