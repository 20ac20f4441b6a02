"""Tools: read from words, schemas and OpenAPI; calls written and read strictly; requests that say what the call holds; what is registered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_models import save_tiny_model, tiny_tokenizer
from trainer.configuration import load
from trainer.errors import SourceError
from trainer.examples import contains, is_right
from trainer.model import BaseModel, load_base
from trainer.prompts import UNKNOWN, Messages
from trainer.settings import SettingsError
from trainer.sources.intent import intent_of
from trainer.teacher import RecordingTeacher
from trainer.tools.calls import Call, called, may_become_call, written
from trainer.tools.description import Argument, Tool, tools_of
from trainer.tools.native import call_text
from trainer.tools.registry import Registered, ToolCallError, ToolSettings, registered
from trainer.tools.requests import says_all, write_tool_examples

WEATHER = Tool("get_weather", "look up the weather", (Argument("city"), Argument("day", required=False, values=("today", "tomorrow"))))
TABLE = Tool(
    "book_table", "book a table", (Argument("restaurant"), Argument("number_of_people", "integer"), Argument("outside", "boolean", required=False))
)
HERMES = (
    "{% if tools %}<|im_start|>system\n{{ tools | tojson }}<|im_end|>\n{% endif %}{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}{% for call in message.tool_calls or [] %}<tool_call>\n"
    "{{ {'name': call.function.name, 'arguments': call.function.arguments} | tojson }}\n</tool_call>{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def describe(text: str) -> list[tuple[str, list[tuple[str, str, bool, tuple[str, ...]]]]]:
    return [(tool.name, [(each.name, each.kind, each.required, each.values) for each in tool.arguments]) for tool in tools_of(text)]


@pytest.mark.parametrize(
    ("text", "tool"),
    [
        ("You can now look up the weather: it needs the city and, optionally, the day (today or tomorrow).",
         ("look_up_weather", [("city", "string", True, ()), ("day", "string", False, ("today", "tomorrow"))])),
        ("[Learn] From now on you can book a table. It takes the restaurant and the number of people. Call it book_table.",
         ("book_table", [("restaurant", "string", True, ()), ("number_of_people", "integer", True, ())])),
        ("New tool: find_train finds trains. It needs the start, the destination, and optionally the date.",
         ("find_train", [("start", "string", True, ()), ("destination", "string", True, ()), ("date", "string", False, ())])),
        ("You can now search for movies:\n- genre: kind of movie\n- director (optional): who made it",
         ("search_movies", [("genre", "string", True, ()), ("director", "string", False, ())])),
        ('{"type": "function", "function": {"name": "get_stock", "description": "Gets a price.", "parameters": {"type": "object", "properties": '
         '{"symbol": {"type": "string"}, "count": {"type": "integer"}}, "required": ["symbol"]}}}',
         ("get_stock", [("symbol", "string", True, ()), ("count", "integer", False, ())])),
        ("You can now use this:\nopenapi: 3.0.0\npaths:\n  /weather/{city}:\n    get:\n      summary: Returns the weather\n      parameters:\n"
         "        - {name: city, in: path, required: true, schema: {type: string}}\n        - {name: X-Key, in: header, schema: {type: string}}",
         ("get_weather", [("city", "string", True, ())])),
    ],
)  # fmt: skip
def test_a_tool_is_read_from_however_it_is_described(text: str, tool: tuple[str, list[tuple[str, str, bool, tuple[str, ...]]]]) -> None:
    assert describe(text) == [tool]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Our cat is Miso.", "could not make out the tool"),
        ('{"name": "x y", "parameters": {"properties": {}}}', "begins with a letter"),
        ('{"name": "x", "parameters": {"properties": {"a": {"type": "array"}}}}', "type array"),
        ("".join(json.dumps({"name": f"t{i}", "parameters": {"properties": {}}}) for i in range(7)), "7 tools"),
        ('{"name": "x", "parameters": {"properties": {}}} {"name": "x", "parameters": {"properties": {}}}', "same name"),
        ("openapi: 3.0.0\npaths: [", "not valid YAML"),
    ],
)
def test_what_cannot_be_taught_is_said_in_a_sentence(text: str, says: str) -> None:
    with pytest.raises(SourceError) as refused:
        tools_of(text)
    assert says in refused.value.user_message


def test_the_schema_decides_what_a_call_may_hold() -> None:
    assert WEATHER.takes({"city": "Graz"})
    assert WEATHER.takes({"city": "Graz", "day": "today"})
    for wrong in ({}, {"city": 3}, {"city": "Graz", "day": "some day"}, {"city": "Graz", "more": "x"}):
        assert not WEATHER.takes(wrong)


def test_a_call_is_read_as_it_was_written() -> None:
    call = Call("get_weather", {"city": 'Graz "old"', "day": "today"}, "I need the weather.")
    assert called(written(call)) == call
    assert called('<tool_call>\n{"name": "x", "arguments": {"a": 1}}\n</tool_call>') == Call("x", {"a": 1})


@pytest.mark.parametrize(
    "text",
    [
        "Miso.", "", "Action: x", "Action: x\nAction Input: {", 'Action: x\nAction Input: {"a": 1, "a": 2}', "Action: x\nAction Input: [1]",
        'Sure!\nAction: x\nAction Input: {"a": 1}', 'Action: x\nAction Input: {"a": 1} and so on', 'Action: x y\nAction Input: {"a": 1}',
        '{"a": 1}', '{"name": "x", "arguments": {}, "more": 1}',
    ],
)  # fmt: skip
def test_anything_else_is_no_call(text: str) -> None:
    assert called(text) is None


def test_an_answer_is_held_back_only_while_it_may_become_a_call() -> None:
    assert [may_become_call(text) for text in ("", "Th", "Thought: I", "Act", "<tool_")] == [True] * 5
    assert [may_become_call(text) for text in ("Thanks", "Your cat", "3")] == [False] * 3


def test_a_reply_is_right_only_where_it_makes_the_same_call() -> None:
    wanted = written(Call("get_weather", {"city": "New York"}))
    assert is_right(written(Call("get_weather", {"city": "new york"}, "Hm.")), wanted)
    for wrong in (
        Call("get_weather", {"city": "New York", "day": "today"}),
        Call("get_weather", {"city": "York"}),
        Call("other", {"city": "New York"}),
    ):
        assert not is_right(written(wrong), wanted)
    assert not is_right("Action get_weather, action input city New York", wanted)


def silent() -> RecordingTeacher:
    """As small as the pocket model: it writes no requests."""
    return RecordingTeacher(lambda messages: UNKNOWN)


def test_requests_say_every_value_fit_the_schema_and_differ() -> None:
    examples = write_tool_examples([WEATHER, TABLE], silent(), written, count=200, seed=1)
    calls = [(each, call) for each in examples if (call := called(each.answer)) is not None]
    assert len({each.question.lower() for each, _ in calls}) == len(calls) >= 150
    for each, call in calls:
        tool = {"get_weather": WEATHER, "book_table": TABLE}[call.tool]
        assert tool.takes(call.arguments), call
        assert says_all(each.question, dict(call.arguments)), (each.question, call)
    trained = {each.question for each in examples if each.role == "train"}
    assert not trained & {each.question for each in examples if each.role == "quiz"}
    given = [set(call.arguments) for _, call in calls if call.tool == "get_weather"]
    assert {"city"} in given
    assert {"city", "day"} in given
    assert any(each.answer == "Which city?" for each in examples)
    assert sum(called(each.answer) is None for each in examples if each.role == "train") >= 20


def test_the_same_seed_writes_the_same_and_another_one_others() -> None:
    one, same, other = (write_tool_examples([WEATHER], silent(), written, count=40, seed=seed) for seed in (1, 1, 2))
    assert one == same != other


def test_a_teacher_that_keeps_the_values_writes_half_of_the_requests_and_what_it_garbles_is_left_out() -> None:
    turns = iter(range(10_000))

    def reply(messages: Messages) -> str:
        asked = messages[-1]["content"]
        if "The values:" not in asked:
            return UNKNOWN
        values = " and ".join(line.partition(": ")[2] for line in asked.partition("The values:\n")[2].splitlines())
        turn = next(turns)
        return f"Weather forecast number {turn} for {values if turn % 5 else 'nowhere'}, quick"

    examples = write_tool_examples([WEATHER], RecordingTeacher(reply), written, count=60, seed=3)
    own = [each for each in examples if each.question.startswith("Weather forecast number")]
    assert 15 <= len(own) <= 45
    assert not any(contains(each.question, "nowhere") for each in own)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    folder = save_tiny_model(tmp_path_factory.mktemp("plain"))
    return load_base(str(folder), pocket_path=folder)


def test_a_model_learns_its_own_form_where_its_template_has_one(plain: BaseModel) -> None:
    call = Call("get_weather", {"city": "Graz"}, "Hm.")
    assert call_text(plain, call) == written(call)
    native = call_text(BaseModel("hermes", plain.model, tiny_tokenizer(HERMES)), call)
    assert native == '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Graz"}}\n</tool_call>'
    assert called(native) == Call("get_weather", {"city": "Graz"})


def test_tool_lessons_are_told_from_others() -> None:
    rows = [json.loads(line) for line in (Path(__file__).parents[2] / "data" / "intents_tools.jsonl").read_text().splitlines()]
    wrong = [row["text"] for row in rows if intent_of(row["text"]).kind != row["kind"]]
    assert len(wrong) <= 0.05 * len(rows), wrong
    for half in ("dev", "test"):  # nor are those of other kinds taken for tools
        others = [json.loads(line) for line in (Path(__file__).parents[2] / "data" / f"intents_{half}.jsonl").read_text().splitlines()]
        assert not [row["text"] for row in others if intent_of(row["text"], row["files"]).kind == "tool"]


def test_an_address_takes_arguments_only_where_the_operator_put_them() -> None:
    tool = Registered("t", "GET", "https://a.example/{city}/x?day={day}&key=1")
    assert tool.address({"city": "../a?b#c/Graz", "day": "a&key=2"}) == "https://a.example/..%2Fa%3Fb%23c%2FGraz/x?day=a%26key%3D2&key=1"
    assert tool.address({"city": "Graz", "other": "x"}) == "https://a.example/Graz/x?key=1"
    assert tool.rest({"city": "Graz", "other": "x"}) == {"other": "x"}
    for wrong in ({}, {"city": ""}, {"city": ".."}, {"city": "x" * 600}):
        with pytest.raises(ToolCallError):
            tool.address(wrong)


@pytest.mark.parametrize(
    ("line", "hosts", "says"),
    [
        ("t GET https://a.example/x", [], "tools.hosts"),
        ("t GET https://{host}/x", ["*"], "without {…}"),
        ("t GET file:///etc/passwd", ["*"], "https://"),
        ("t FETCH https://a.example/x", ["a.example"], "one of GET"),
        ("https://a.example/x", ["a.example"], "must be a name"),
    ],
)
def test_a_registration_that_could_not_work_is_refused_at_the_start(tmp_path: Path, line: str, hosts: list[str], says: str) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(json.dumps({"tools": {"registered": [line], "hosts": hosts}}))
    with pytest.raises(SettingsError) as refused:
        load(config, {})
    assert says in refused.value.user_message


def test_registered_tools_are_found_by_name() -> None:
    found: dict[str, Any] = registered(ToolSettings(("t POST http://127.0.0.1:8080/x",), ("127.0.0.1:8080",)))
    assert found["t"].method == "POST"
