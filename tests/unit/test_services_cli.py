"""The command `tutee`: its help, its exit codes, and one sentence where something cannot be done."""

from __future__ import annotations

import argparse
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot import cli
from bot.arguments import parser
from tests.services import ROOT


def commands(added: argparse.ArgumentParser, name: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    yield name, added
    for action in added._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, below in action.choices.items():
                yield from commands(below, (*name, word))


EVERY_COMMAND = dict(commands(parser(cli.COMMANDS)))


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    try:
        code = cli.main(list(arguments))
    except SystemExit as ended:
        code = int(ended.code or 0)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_all_promised_commands_exist() -> None:
    promised = ["up", "chat", "bot", "worker", "engine", "doctor", "eval", "bench", "db", "backup", "restore"]
    assert {name[0] for name in EVERY_COMMAND if len(name) == 1} == set(promised)
    assert {name[1] for name in EVERY_COMMAND if name[:1] == ("eval",) and len(name) == 2} == {
        "learning",
        "documents",
        "corrections",
        "forgetting",
        "packs",
        "moderation",
        "tools",
    }
    assert {name[1] for name in EVERY_COMMAND if name[:1] == ("bench",) and len(name) == 2} == {
        "engine",
        "training",
        "jobs",
    }


@pytest.mark.parametrize("name", EVERY_COMMAND, ids=" ".join)
def test_help_is_complete_and_has_an_example(name: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    code, help_text, _ = run(capsys, *name, "--help")

    assert code == 0
    assert "example: " in help_text and "tutee" in help_text.split("example: ")[1]
    found = EVERY_COMMAND[name]
    assert all(action.help for action in found._actions if not isinstance(action, argparse._SubParsersAction))
    if found.get_default("run"):
        for option in ("--config", "--data", "--base-model", "--log-level"):
            assert option in help_text


def test_common_options_stand_before_or_after_the_command() -> None:
    before = parser(cli.COMMANDS).parse_args(["--data", "x", "up"])
    after = parser(cli.COMMANDS).parse_args(["up", "--data", "x"])
    assert before.data == after.data == "x"


@pytest.mark.parametrize(
    "wrong",
    [[], ["sing"], ["engine", "--port", "99999"], ["engine", "--port", "x"], ["eval", "learning"], ["up", "--colour"]],
)
def test_wrong_usage_is_2_and_one_line(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, *wrong)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "--help" in err


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one sentence on standard error."""
    code, out, err = run(capsys, *arguments)
    assert (code, out, len(err.splitlines())) == (1, "", 1), err
    assert "Traceback" not in err
    return err


def test_an_unknown_key_is_refused_with_the_nearest_known_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text("lesson:\n  samplez: 3\n")
    for command in ("up", "chat", "worker", "engine", "doctor", "bot"):
        assert "'lesson.samplez'. Did you mean 'lesson.samples'?" in refused(capsys, command, "--config", str(config))


def test_a_missing_configuration_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "/nowhere.yaml cannot be read" in refused(capsys, "chat", "--config", "/nowhere.yaml")


def test_a_data_folder_that_cannot_be_written_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("I am no folder")
    for command in ("up", "chat"):
        assert "cannot be written" in refused(capsys, command, "--data", str(tmp_path / "file" / "data"))


def test_a_base_model_that_does_not_exist_is_refused_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    for command in (["up"], ["chat"], ["engine", "--port", str(free_port())]):
        common = ["--data", str(tmp_path / "data")]
        assert "There is no model folder /no/model" in refused(capsys, *command, *common, "--base-model", "/no/model")
        assert "no config.json" in refused(capsys, *command, *common, "--base-model", str(tmp_path / "empty"))


def test_a_port_in_use_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        sentence = refused(capsys, "engine", "--port", str(port), "--data", str(tmp_path))
    assert f"Port {port} on 127.0.0.1 is in use" in sentence and "--port" in sentence


def test_addresses_where_nothing_answers_are_refused_without_their_passwords(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://:geheim@127.0.0.1:1/0")
    monkeypatch.setenv("TUTEE_ENGINE_URL", "http://127.0.0.1:1")
    for command in ("up", "chat", "worker"):
        sentence = refused(capsys, command, "--data", str(tmp_path))
        assert "Redis at" in sentence and "REDIS_URL" in sentence and "geheim" not in sentence
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:geheim@127.0.0.1:1/x")
    sentence = refused(capsys, "db", "upgrade", "--data", str(tmp_path))
    assert "DATABASE_URL" in sentence and "geheim" not in sentence
    monkeypatch.setenv("DATABASE_URL", "nonsense")
    assert "must look like" in refused(capsys, "db", "upgrade", "--data", str(tmp_path))


def test_a_worker_that_was_told_of_no_redis_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "REDIS_URL" in refused(capsys, "worker", "--data", str(tmp_path))


def test_bot_without_tokens_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert "No chat platform is configured" in refused(capsys, "bot")


@pytest.mark.parametrize("command", ["bot", "up"])
def test_discord_is_not_connected_before_its_terms_are_acknowledged(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "geheim")
    sentence = refused(capsys, command, "--data", str(tmp_path))
    assert "discord.terms_acknowledged" in sentence and "geheim" not in sentence


def test_the_unexpected_has_a_number_and_no_traceback(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(options: argparse.Namespace) -> Path:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(cli, "_settings", explode)
    sentence = refused(capsys, "doctor")
    assert "ZeroDivisionError, id " in sentence and "secret detail" not in sentence


def test_the_process_has_its_signals_back_afterwards(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    refused(capsys, "up", "--data", str(tmp_path))
    assert {number: signal.getsignal(number) for number in before} == before


def test_db_upgrade_creates_the_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "db", "upgrade", "--data", str(tmp_path / "new"))[0] == 0
    assert (tmp_path / "new" / "tutee.db").exists()


def test_doctor_reports_what_is_broken_and_hides_secrets(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://:geheim@127.0.0.1:1/0")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-geheim")
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-geheim")

    code, report, _ = run(capsys, "doctor", "--data", str(tmp_path), "--base-model", "/no/model")

    assert code == 1 and "geheim" not in report
    for found in ("There is no model folder", "does not answer", "SLACK_APP_TOKEN not set", "writable", "Python 3"):
        assert found in report


def test_doctor_is_content_with_a_fresh_installation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "model"
    model.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (model / name).touch()
    code, report, _ = run(capsys, "doctor", "--data", str(tmp_path / "data"), "--base-model", str(model))
    assert code == 0, report
    assert "broken" not in report


@pytest.mark.parametrize("module", ["bot.cli", "bot.supervisor", "bot.wiring, trainer.worker, bot.jobs, bot.platforms.terminal, bot.doctor"])
def test_the_bot_and_the_chat_worker_never_load_torch(module: str) -> None:
    script = f"import sys, {module}; sys.exit(bool({{'torch', 'transformers', 'peft'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize(
    ("module", "kept_out"),
    [
        ("trainer.engine.process", {"sklearn", "openai", "peft", "trafilatura", "sqlalchemy"}),  # nothing that only lessons need
        ("trainer.wiring", {"openai", "sklearn", "pandas"}),  # nothing that only those need who have texts judged elsewhere
        ("bot.supervisor, bot.wiring, bot.jobs, bot.platforms.terminal", {"openai"}),  # nothing that is needed only at the first question
    ],
)
def test_what_everybody_waits_for_at_the_start_loads_little(module: str, kept_out: set[str]) -> None:
    script = f"import sys, {module}; sys.exit(bool({kept_out} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
