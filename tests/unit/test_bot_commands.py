"""What a line asks for."""

from __future__ import annotations

import pytest

from bot.commands import (
    Agree,
    AttachFile,
    Cancel,
    Chat,
    Command,
    Compare,
    DeleteMe,
    Export,
    Forget,
    Help,
    Learn,
    Lessons,
    Malformed,
    Model,
    NewConversation,
    React,
    Rollback,
    Share,
    Take,
    Unshare,
    Why,
    parse,
)


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("[Learn] The cat is Miso.", Learn("The cat is Miso.")),
        ("[LEARN]: The cat is Miso.", Learn("The cat is Miso.")),
        ("  [learn]The cat is Miso.", Learn("The cat is Miso.")),
        ("[Learn]\nTwo\nlines", Learn("Two\nlines")),
        ("[Learn]", Learn("")),
        ("/learn The cat is Miso.", Learn("The cat is Miso.")),
        ("I want to [Learn] something", Chat("I want to [Learn] something")),
        ("[learned] helplessness", Chat("[learned] helplessness")),
        ("/usr/bin is full", Chat("/usr/bin is full")),
        ("/ 2 is half", Chat("/ 2 is half")),
        ("מה שם החתול? 🐈", Chat("מה שם החתול? 🐈")),
        ("/forget 2", Forget(2)),
        ("/forget #2", Forget(2)),
        ("/LESSONS", Lessons()),
        ("/model", Model()),
        ("/compare What is the cat called?", Compare("What is the cat called?")),
        ("/rollback 2", Rollback(2)),
        ("/rollback v2", Rollback(2)),
        ("/rollback user-3-v2", Rollback(2)),
        ("/rollback base", Rollback(0)),
        ("/export", Export(None)),
        ('/export "my folder"', Export("my folder")),
        ("/delete-me", DeleteMe(confirmed=False)),
        ("/delete-me YES", DeleteMe(confirmed=True)),
        ("/cancel", Cancel()),
        ("/new", NewConversation()),
        ("/agree", Agree()),
        ("/help", Help()),
        ("/file notes.txt", AttachFile("notes.txt")),
        ("/file 'my notes.txt'", AttachFile("my notes.txt")),
        ("/react 👍", React("up")),
        ("/react 👍🏽", React("up")),
        ("/react 👎 It is Miso.", React("down", "It is Miso.")),
        ("/react down It is Miso.", React("down", "It is Miso.")),
        ("/compare 0, v3 Who are you?", Compare("Who are you?", (0, 3))),
        ("/compare 2 plus 2, what is it?", Compare("2 plus 2, what is it?")),
        ("/react 🚩", React("report")),
        ("/rollback", Rollback(None)),
        ("/report That is unfair.", React("report", "That is unfair.")),
        ("/why", Why()),
        ("/share", Share(())),
        ("/share 1, #3", Share((1, 3))),
        ("/share 1,3 yes", Share((1, 3), confirmed=True)),
        ("/take 3F9A1C02B7DE", Take("3f9a1c02b7de")),
        ("/unshare 3f9a1c02b7de", Unshare("3f9a1c02b7de")),
    ],
)
def test_a_line_is_understood(line: str, command: Command) -> None:
    assert parse(line) == command


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("/forget", "/forget 2"),
        ("/forget all", "/forget 2"),
        ("/rollback yesterday", "/rollback 2"),
        ("/compare", "/compare What"),
        ("/react", "/react 👍"),
        ("/react upwards", "/react 👍"),
        ("/file", "/file notes.txt"),
        ("/lesons", "Did you mean /lessons?"),
        ("/delete", "Did you mean /delete-me?"),
        ("/xyzzy", "/help"),
    ],
)
def test_a_command_that_cannot_be_followed_says_what_to_write(line: str, hint: str) -> None:
    command = parse(line)
    assert isinstance(command, Malformed)
    assert hint in command.reason
