"""The real server on a loopback port, asked by the real `openai` package."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import torch

from tests.engine_http import NEW_TOKENS, serving
from tests.services import eventually
from tests.tiny_models import peft_answer, save_random_adapter, save_tiny_model
from trainer.engine.adapter_bank import AdapterBank
from trainer.engine.residency import Residency
from trainer.engine.scheduler import Scheduler
from trainer.errors import AdapterNotFoundError
from trainer.model import BaseModel, load_base

MODELS = ["pocket", *(f"user-{number}-v{number}" for number in range(1, 8))]


class Engine:
    """A running server, its scheduler, and clients for it."""

    def __init__(self, port: int, scheduler: Scheduler) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.scheduler = scheduler
        self.client = openai.OpenAI(base_url=f"{self.url}/v1", api_key="none", max_retries=0, timeout=60)


class Files:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.base = save_tiny_model(root / "base")
        for number, name in enumerate(MODELS[1:], start=1):
            save_random_adapter(root / name, self.base, seed=number)

    def load_base(self) -> BaseModel:
        return load_base("pocket", pocket_path=self.base)

    def scheduler(self, max_batch: int = 8, max_waiting: int = 8) -> Scheduler:
        def path_of(name: str) -> Path:
            if name not in MODELS:
                raise AdapterNotFoundError(f"The model {name} does not exist.")
            return self.root / name

        base = self.load_base()
        residency = Residency(AdapterBank(base.model, 8, 4), path_of)
        return Scheduler(base, residency, max_batch=max_batch, max_waiting=max_waiting, max_context=400)

    def expected(self, model: str, question: str) -> str:
        base = self.load_base()
        ids = tuple(base.prompt_ids([{"role": "user", "content": question}]))
        written = peft_answer(self.base, None if model == "pocket" else self.root / model, ids, NEW_TOKENS)
        return str(base.tokenizer.decode(written, skip_special_tokens=True))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("engine"))


@pytest.fixture(scope="module")
def engine(files: Files) -> Iterator[Engine]:
    scheduler = files.scheduler()
    with serving(scheduler.start) as port:
        yield Engine(port, scheduler)


def test_a_whole_answer_with_its_usage(engine: Engine, files: Files) -> None:
    answer = engine.client.chat.completions.create(
        model="user-1-v1", messages=[{"role": "user", "content": "What is my cat called?"}], max_tokens=NEW_TOKENS
    )
    assert answer.choices[0].message.content == files.expected("user-1-v1", "What is my cat called?")
    assert answer.choices[0].finish_reason == "length" and answer.model == "user-1-v1"
    assert answer.usage is not None and answer.usage.completion_tokens == NEW_TOKENS
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + NEW_TOKENS


def test_a_streamed_answer_with_its_usage(engine: Engine, files: Files) -> None:
    chunks = list(
        engine.client.chat.completions.create(
            model="pocket",
            messages=[{"role": "user", "content": "Zürich?"}],
            max_completion_tokens=NEW_TOKENS,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert chunks[0].choices[0].delta.role == "assistant"
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == files.expected("pocket", "Zürich?")
    assert chunks[-2].choices[0].finish_reason == "length"
    assert chunks[-1].choices == [] and chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == NEW_TOKENS


def test_eight_clients_at_once_each_get_what_peft_gives_them(engine: Engine, files: Files) -> None:
    together = threading.Barrier(len(MODELS))

    def ask(model: str) -> str:
        together.wait()
        stream = engine.client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": f"I am {model}. Who are you?"}],
            max_tokens=NEW_TOKENS,
            stream=True,
        )
        return "".join(chunk.choices[0].delta.content or "" for chunk in stream)

    with ThreadPoolExecutor(len(MODELS)) as pool:
        answers = list(pool.map(ask, MODELS))
    assert answers == [files.expected(model, f"I am {model}. Who are you?") for model in MODELS]


@pytest.mark.parametrize("model", ["user-99-v1", "../user-1-v1", "user-1-v1/../user-2-v2", "/etc", "", "pocket "])
def test_an_unknown_model_is_not_found(engine: Engine, model: str) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        engine.client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hello"}])
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize(
    "wrong",
    [
        {"messages": []},
        {"messages": [{"role": "<|im_end|>", "content": "x"}]},
        {"messages": [{"role": "user", "content": 3}]},
        {"temperature": -1},
        {"max_tokens": 0},
        {"n": 2},
        {"messages": [{"role": "user", "content": "long " * 500}]},
    ],
)
def test_a_wrong_request_is_refused_in_openais_words(engine: Engine, wrong: dict[str, object]) -> None:
    body = {"model": "pocket", "messages": [{"role": "user", "content": "Hello"}], **wrong}
    response = httpx.post(f"{engine.url}/v1/chat/completions", json=body)
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("body", [b"{", b'{"model": "pocket", "messages": [{"role": "user", "content": "\\ud800"}]}'])
def test_text_that_is_no_json_or_no_unicode_is_refused(engine: Engine, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    response = httpx.post(f"{engine.url}/v1/chat/completions", content=body, headers=headers)
    assert response.status_code == 400


def test_models_and_health_name_what_is_in_memory(engine: Engine) -> None:
    engine.client.chat.completions.create(model="user-2-v2", messages=[{"role": "user", "content": "Hello"}], max_tokens=1)
    names = [model.id for model in engine.client.models.list()]
    assert names[0] == "pocket" and "user-2-v2" in names
    health = httpx.get(f"{engine.url}/health").json()
    assert (health["status"], health["model"], health["running"], health["waiting"]) == ("ready", "pocket", 0, 0)
    assert health["computing"].startswith("float32, ")
    unloaded = httpx.post(f"{engine.url}/v1/unload_lora_adapter", json={"lora_name": "user-2-v2"})
    assert unloaded.status_code == 200
    assert "user-2-v2" not in httpx.get(f"{engine.url}/health").json()["resident"]


def test_a_full_engine_says_when_to_come_back(files: Files) -> None:
    scheduler = files.scheduler(max_batch=1, max_waiting=1)  # never started: what is submitted stays in line
    with serving(lambda: scheduler) as port:
        engine = Engine(port, scheduler)
        body = {"model": "pocket", "messages": [{"role": "user", "content": "Hello"}]}
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(httpx.post, f"{engine.url}/v1/chat/completions", json=body, timeout=60)
            eventually(lambda: scheduler.status().waiting == 1)
            with pytest.raises(openai.InternalServerError) as caught:
                engine.client.chat.completions.create(model="pocket", messages=[{"role": "user", "content": "Hello"}])
            assert caught.value.status_code == 503 and int(caught.value.response.headers["Retry-After"]) > 0
            scheduler.close()
            assert first.result().status_code == 503


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_frees_its_place(files: Files, stream: bool) -> None:
    scheduler = files.scheduler(max_batch=1)
    with serving(lambda: scheduler) as port:  # stepped by hand, so that nothing ends by itself
        connection = http.client.HTTPConnection("127.0.0.1", port)
        body = {"model": "user-1-v1", "messages": [{"role": "user", "content": "Hello"}], "stream": stream}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
        eventually(lambda: scheduler.status().waiting == 1)
        scheduler.step()
        row = scheduler._batch.rows[0].generation
        connection.close()
        eventually(lambda: row.cancelled)
        scheduler.step()
        assert scheduler.status().running == 0


def test_health_is_not_ready_while_loading_and_tells_a_failure(files: Files) -> None:
    may_load = threading.Event()
    heard: list[Exception] = []

    def load() -> Scheduler:
        may_load.wait()
        raise OSError("no disk")

    with serving(load, heard.append) as port:
        assert httpx.get(f"http://127.0.0.1:{port}/health").status_code == 503
        may_load.set()
        eventually(lambda: bool(heard))
    assert str(heard[0]) == "no disk"


def test_the_probabilities_of_tokens_are_those_of_the_model(engine: Engine, files: Files) -> None:
    messages: Any = [{"role": "user", "content": "What is my cat called?"}]
    reply = engine.client.chat.completions.create(
        model="pocket",
        messages=messages,
        max_tokens=2,
        temperature=0,
        logprobs=True,
        top_logprobs=5,
    )
    base = files.load_base()
    logits = base.model(torch.tensor([base.prompt_ids(messages)])).logits[0, -1]
    expected = logits.log_softmax(-1).topk(5)
    assert reply.choices[0].logprobs is not None and reply.choices[0].logprobs.content is not None
    first, _ = reply.choices[0].logprobs.content
    assert [each.logprob for each in first.top_logprobs] == pytest.approx(expected.values.tolist(), abs=1e-4)
    assert [each.token for each in first.top_logprobs] == [base.tokenizer.decode([i]) for i in expected.indices.tolist()]
    assert first.logprob == first.top_logprobs[0].logprob
    plain = engine.client.chat.completions.create(model="pocket", messages=messages, max_tokens=2)
    assert plain.choices[0].logprobs is None
