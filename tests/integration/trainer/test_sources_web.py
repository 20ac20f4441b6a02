"""Web lessons: searched on an endpoint that answers as the search engines do, read from a small web of our own, shown before they are learned."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ddgs.engines.duckduckgo import Duckduckgo

from storage.records import LessonRecord
from tests.reading_teacher import facts, reading_teacher
from tests.small_web import SmallWeb, send, small_web
from tests.tiny_models import save_tiny_model
from tests.trainer_fixtures import Classroom
from trainer.errors import SearchError
from trainer.lesson import LessonRunner
from trainer.model import BaseModel, load_base
from trainer.moderation.protocol import RecordingModerator
from trainer.prompts import Messages
from trainer.settings import SourceSettings
from trainer.sources.reader import Reader
from trainer.sources.search import DdgsSearch, Hit, RecordingSearch, Search, SearxngSearch, build
from trainer.sources.web import canonical, found_on, is_copy, is_trusted, queries_of
from trainer.teacher import RecordingTeacher
from trainer.websearch import WebSearch

LEARNS: dict[str, Any] = {"samples": 16, "max_epochs": 1, "rate": 1e-2, "pass_mark": 0.0, "keep_mark": 0.0}
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
REEF = facts(("colour", "Coralia", "red"), ("depth", "Coralia", "nine"), ("warden", "Coralia", "Ada"))
MORE = facts(("visitor", "Coralia", "Leo"), ("boat", "Coralia", "Swan"), ("shop", "Coralia", "Kelp"))


@pytest.fixture(scope="module")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    folder = save_tiny_model(tmp_path_factory.mktemp("tiny"))
    return load_base(str(folder), pocket_path=folder)


@pytest.fixture
def web() -> Iterator[SmallWeb]:
    with small_web() as running:
        yield running


def page(text: str, title: str = "Coral reefs of Coralia") -> str:
    return f"<html><head><title>{title}</title></head><body><article><h1>{title}</h1><p>{text}</p></article></body></html>"


class Newsroom(Classroom):
    """A classroom that searches a web of its own; both names of this machine count as sites of their own."""

    def __init__(self, folder: Path, base: BaseModel, web: SmallWeb, search: Search, **options: Any) -> None:
        trusted = options.pop("trusted", ())
        options.setdefault("teacher", reading_teacher())
        super().__init__(folder, base, **{**LEARNS, **options})
        sources = SourceSettings(allow=(f"127.0.0.1:{web.port}", f"localhost:{web.port}"), trusted=trusted)
        self.settings = replace(self.settings, sources=sources)
        self.tools = replace(self.tools, settings=self.settings, reader=Reader(sources, search=search, now=lambda: NOW))

    @property
    def runner(self) -> LessonRunner:
        return LessonRunner(self.tools, {"web": WebSearch})

    def ask(self, text: str = "keep up with news on coral reefs", refreshes: int | None = None) -> LessonRecord:
        lesson, _ = self.repositories.lessons.create(
            self.user.id, "web", text, dedupe_key=f"{text}{refreshes}", platform="test", channel="dm", conversation_id=None, refreshes=refreshes
        )
        return lesson

    def search(self, **options: Any) -> LessonRecord:
        lesson = self.ask(**options)
        self.runner.run(lesson.id)
        return self.row(lesson)


def found(web: SmallWeb) -> RecordingSearch:
    """A search that finds two pages and what is not worth reading."""
    web.pages |= {
        "/reef": page(REEF), "/more": page(MORE), "/copy": page(REEF, "Coral reefs once more"),
        "/other": page(facts(("king", "Utopia", "Bob"), ("queen", "Utopia", "Eva")), "Something else"),
    }  # fmt: skip
    paths = ("/reef", "/copy"), ("/more", "/other", "/gone")
    return RecordingSearch([Hit(web.url(path, host), "") for host, some in zip(("127.0.0.1", "localhost"), paths, strict=True) for path in some])


def test_what_is_found_is_shown_first_and_learned_as_dated_knowledge_when_approved(tiny_base: BaseModel, tmp_path: Path, web: SmallWeb) -> None:
    search = found(web)
    room = Newsroom(tmp_path, tiny_base, web, search)
    lesson = room.search()
    assert lesson.state == "awaiting"
    assert search.asked == ["coral reefs"]
    assert room.repositories.adapters.of_user(1) == ()  # nothing is trained before
    read = [each for each in lesson.sources if each.digest]
    assert [each.address for each in read] == [web.url("/reef"), web.url("/more", "localhost")]
    assert [each.skipped for each in lesson.sources if not each.digest] == [
        ("127.0.0.1: It says what another page says word for word.",), ("localhost: What it says has nothing to do with what you asked.",),
    ]  # fmt: skip
    assert read[0].expires_at == datetime(2026, 12, 21, 12, tzinfo=UTC)
    assert not lesson.is_stale(NOW) and lesson.is_stale(datetime(2026, 12, 22, tzinfo=UTC))
    room.repositories.lessons.approve(lesson.id)
    assert room.runner.run(lesson.id) == "live"
    answers = [each.answer for each in room.repositories.lessons.examples(lesson.id) if each.role == "train"]
    day = read[0].read_at
    assert day is not None
    assert f"As of {day.day} {day:%B %Y}, according to 127.0.0.1: The colour of Coralia is red." in answers
    assert all(answer.startswith("As of ") for answer in answers)


def test_a_source_that_is_dropped_is_not_learned(tiny_base: BaseModel, tmp_path: Path, web: SmallWeb) -> None:
    room = Newsroom(tmp_path, tiny_base, web, found(web))
    lesson = room.search()
    assert room.repositories.sources.drop(lesson.id, lesson.sources[0].number)
    room.repositories.lessons.approve(lesson.id)
    assert room.runner.run(lesson.id) == "live"
    learned = " ".join(f"{each.question} {each.answer}" for each in room.repositories.lessons.examples(lesson.id))
    assert "Swan" in learned and "according to 127.0.0.1" not in learned


def test_trusted_domains_are_learned_without_asking_and_mixed_ones_are_not(tiny_base: BaseModel, tmp_path: Path, web: SmallWeb) -> None:
    found(web)
    trusted = RecordingSearch([Hit(web.url("/reef"), "")])
    assert Newsroom(tmp_path, tiny_base, web, trusted, trusted=("127.0.0.1",)).search().state == "live"
    mixed = RecordingSearch([Hit(web.url("/more", "localhost"), ""), Hit(web.url("/reef"), "")])
    assert Newsroom(tmp_path, tiny_base, web, mixed, trusted=("127.0.0.1",)).search(text="search for boats of Coralia").state == "awaiting"


def test_a_refreshed_lesson_takes_the_place_of_the_old_one(tiny_base: BaseModel, tmp_path: Path, web: SmallWeb) -> None:
    found(web)
    room = Newsroom(tmp_path, tiny_base, web, RecordingSearch([Hit(web.url("/reef"), "")]), trusted=("127.0.0.1",))
    first = room.search()
    again = room.search(refreshes=first.id)  # though the page says what it said before
    assert (first.state, again.state) == ("live", "live")
    live = room.repositories.adapters.live(1)
    assert live is not None and live.lesson_ids == (again.id,)


def test_nothing_is_asked_of_the_web_that_moderation_refuses(tiny_base: BaseModel, tmp_path: Path, web: SmallWeb) -> None:
    search = found(web)
    lesson = Newsroom(tmp_path, tiny_base, web, search, moderator=RecordingModerator(lambda text: True)).search()
    assert (lesson.state, search.asked, web.asked) == ("rejected", [], [])
    assert "harassment" in (lesson.reason or "")


def test_the_model_writes_the_queries_where_it_can(tiny_base: BaseModel, tmp_path: Path, web: SmallWeb) -> None:
    honest = reading_teacher().reply

    def reply(messages: Messages) -> str:
        asked = messages[-1]["content"]
        return '1. coral reef news\n2. "coral reefs health"\nbananas' if asked.startswith("Write up to three") else honest(messages)

    search = found(web)
    Newsroom(tmp_path, tiny_base, web, search, teacher=RecordingTeacher(reply)).search()
    assert search.asked == ["coral reef news", "coral reefs health", "coral reefs"]


def test_a_search_that_finds_nothing_or_does_not_answer_ends_with_its_sentence(tiny_base: BaseModel, tmp_path: Path, web: SmallWeb) -> None:
    nothing = Newsroom(tmp_path, tiny_base, web, RecordingSearch()).search()
    assert (nothing.state, nothing.reason) == ("rejected", "I found nothing on the web about coral reefs.")
    away = Newsroom(tmp_path, tiny_base, web, RecordingSearch(error=SearchError("The web search does not answer."))).search(text="search for whales")
    assert (away.state, away.reason) == ("rejected", "The web search does not answer.")
    unread = Newsroom(tmp_path, tiny_base, web, RecordingSearch([Hit(web.url("/gone"), "")])).search(text="search for seals")
    assert unread.reason == f"There is no page at {web.url('/gone')}."


def test_a_lesson_killed_while_reading_does_not_search_again(tiny_base: BaseModel, tmp_path: Path, web: SmallWeb) -> None:
    search = found(web)
    room = Newsroom(tmp_path, tiny_base, web, search)
    lesson = room.ask()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WebSearch, "moderate", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            room.runner.run(lesson.id)
    assert room.runner.run(lesson.id) == "awaiting"
    assert web.asked.count("/reef") == 1


RESULTS = [("https://a.example/one", "One"), ("https://b.example/two", "Two")]


def duckduckgo(handler: BaseHTTPRequestHandler) -> None:
    """As html.duckduckgo.com answers."""
    query = parse_qs(handler.rfile.read(int(handler.headers.get("Content-Length", 0))).decode())["q"][0]
    hits = "" if query == "nothing" else "".join(
        f'<div class="links_main links_deep result__body"><h2 class="result__title"><a class="result__a" href="{url}">{title} {query}</a></h2>'
        f'<a class="result__snippet" href="{url}">About {query}</a></div>' for url, title in RESULTS
    )  # fmt: skip
    send(handler, f"<html><body>{hits}</body></html>".encode())


def searxng(handler: BaseHTTPRequestHandler) -> None:
    """As SearXNG answers with format=json."""
    asked = parse_qs(urlsplit(handler.path).query)
    results = [{"url": url, "title": title, "content": "…", "engine": "test"} for url, title in RESULTS]
    answer = {"query": asked["q"][0], "number_of_results": 2, "results": [] if asked["q"][0] == "nothing" else results}
    send(handler, json.dumps(answer).encode(), media_type="application/json", status=200 if asked["format"] == ["json"] else 403)


@pytest.fixture(params=["ddgs", "searxng"])
def real_search(request: pytest.FixtureRequest, web: SmallWeb, monkeypatch: pytest.MonkeyPatch) -> Search:
    """The search itself, on an endpoint of our own."""
    if request.param == "ddgs":
        web.pages["/html/"] = duckduckgo
        monkeypatch.setattr(Duckduckgo, "search_url", web.url("/html/"))
        return DdgsSearch(10, backend="duckduckgo")
    web.pages["/search"] = searxng
    return SearxngSearch(web.url("/"), SourceSettings())  # which is allowed though it is not public: the operator named it


def test_searches_find_pages_in_order_and_say_when_there_is_nothing(real_search: Search) -> None:
    assert [hit.address for hit in real_search.search("one two", 5)] == ["https://a.example/one", "https://b.example/two"]
    assert real_search.search("nothing", 5) == []


def test_a_search_that_is_away_says_so(real_search: Search, web: SmallWeb) -> None:
    web.pages.clear()
    web.close()
    with pytest.raises(SearchError, match="does not answer"):
        real_search.search("one", 5)


def test_the_settings_choose_the_search() -> None:
    assert isinstance(build(SourceSettings()), DdgsSearch)
    assert isinstance(build(SourceSettings(search="searxng", searxng_url="http://searx.intern:8888")), SearxngSearch)


def test_pages_are_taken_once_each_and_from_many_sites() -> None:
    hits = [Hit(f"https://www.a.example/{path}", "") for path in ("x?utm_source=feed", "x/", "y", "z")]
    hits += [Hit("http://b.example/", ""), Hit("ftp://c.example/", "")]
    assert [each.address for each in found_on(["q"], RecordingSearch(hits), 5)] == [
        "https://www.a.example/x?utm_source=feed", "https://www.a.example/y", "http://b.example/",
    ]  # fmt: skip
    assert canonical("https://www.A.example/x/?b=1&fbclid=2#top") == "https://a.example/x?b=1"


def test_queries_copies_and_trust() -> None:
    assert queries_of("keep up with news on coral reefs", "I don't know.") == ["coral reefs"]
    assert is_copy(["The reef of Coralia grows every year."], [["Breaking: the reef of Coralia grows every year."]])
    assert not is_copy(["The reef of Coralia grows every year."], [["The boat of Coralia leaves at nine."]])
    assert is_trusted("https://news.example.org/a", ["example.org"]) and not is_trusted("https://badexample.org/", ["example.org"])
