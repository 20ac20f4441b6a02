"""The arguments that `tutee` takes."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NoReturn

from bot.logs import FORMATS
from trainer.contracts import CHAT_QUEUE, LESSON_QUEUE

ENGINE_PORT = 8642  # where `tutee engine` listens when nobody says otherwise
LEVELS = ("debug", "info", "warning", "error")

Run = Callable[[argparse.Namespace], int]


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line; the whole usage is in --help."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}. See {self.prog} --help.\n")


def parser(run: Mapping[str, Run]) -> argparse.ArgumentParser:
    """The arguments of `tutee`; `run` says what does each command's work."""
    common = _common_options()
    whole = Parser(
        prog="tutee",
        description="A language model that everyone teaches by chatting, and that becomes their own.",
        epilog="example: tutee up",
        parents=[common],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument("--version", action="version", version=f"tutee {_version()}")
    commands = whole.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(
        into: argparse._SubParsersAction[Parser],
        name: str,
        does: Run | None,
        text: str,
        example: str,
    ) -> Parser:
        added = into.add_parser(
            name,
            help=text.split(". ")[0].rstrip("."),
            description=text,
            epilog=f"example: {example}",
            parents=[common] if does else [],
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if does:
            added.set_defaults(run=does)
        return added

    command(
        commands,
        "up",
        run["up"],
        "Start everything that is configured, with a chat in this terminal. Ctrl-C stops it all.",
        "tutee up",
    )
    chat = command(
        commands,
        "chat",
        run["chat"],
        "The terminal chat alone, starting what it needs. Piped: one message a line, each lesson awaited.",
        "echo '[Learn] My cat is called Miso.' | tutee chat --json",
    )
    chat.add_argument(
        "--user",
        default="you",
        metavar="NAME",
        help="who is chatting; every name has a model of its own (default: you)",
    )
    chat.add_argument("--json", action="store_true", help="one JSON object per line on standard output instead of text")
    command(
        commands,
        "bot",
        run["bot"],
        "The bot process of an installation on several machines.",
        "tutee bot --config configs/cluster.yaml",
    )
    worker = command(
        commands,
        "worker",
        run["worker"],
        "A worker process: it learns lessons and answers messages that had to wait.",
        "REDIS_URL=redis://queue:6379 tutee worker --queue lessons",
    )
    worker.add_argument(
        "--queue",
        action="append",
        choices=[LESSON_QUEUE, CHAT_QUEUE],
        help="work on this queue only; may be given twice (default: both)",
    )
    engine = command(
        commands,
        "engine",
        run["engine"],
        "The model server, with OpenAI's chat completions. Keep its port private.",
        "tutee engine --port 8642",
    )
    engine.add_argument("--host", help="the address to listen on (default: engine.host of the configuration)")
    engine.add_argument("--port", type=_port, help=f"the port to listen on (default: engine.port, or {ENGINE_PORT})")
    command(commands, "doctor", run["doctor"], "What is configured, what answers, which versions, what to fix.", "tutee doctor")
    _add_eval(
        command(
            commands,
            "eval",
            None,
            "Measure quality through the code that serves users.",
            "tutee eval learning --facts facts.jsonl",
        ),
        command,
        run["eval"],
    )
    _add_bench(
        command(
            commands,
            "bench",
            None,
            "Measure speed, side by side with the alternatives.",
            "tutee bench engine --users 1,16",
        ),
        command,
        run["bench"],
    )
    db = command(commands, "db", None, "Migrations.", "tutee db upgrade").add_subparsers(metavar="WHAT", required=True)
    command(db, "upgrade", run["db upgrade"], "Run all migrations that are missing.", "tutee db upgrade")
    for name, text in {
        "backup": "Write everything that people taught and said, and their models, to one file. May run beside everything else.",
        "restore": "Put a back-up into an empty database and store, of whatever kind; nothing else may be running on them.",
    }.items():
        command(commands, name, run[name], text, f"tutee {name} tutee-2026-11-22.zip").add_argument(
            "file", type=Path, metavar="FILE", help="the back-up"
        )
    return whole


_Command = Callable[..., Parser]


def _add_eval(parser: Parser, command: _Command, run: Run) -> None:
    kinds = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    learning = command(
        kinds,
        "learning",
        run,
        "Teach facts, then ask about them in a new conversation.",
        "tutee eval learning --facts facts.jsonl --json out.json",
    )
    learning.add_argument("--facts", type=Path, required=True, metavar="FILE", help="a JSON object per line: lesson, questions, unknown")
    learning.add_argument(
        "--mode",
        choices=["each", "sequential"],
        default="each",
        help="each lesson by a fresh user, or all by one (default: each)",
    )
    documents = command(
        kinds,
        "documents",
        run,
        "Teach passages, then ask about them.",
        "tutee eval documents --passages squad.jsonl --limit 50",
    )
    documents.add_argument("--passages", type=Path, required=True, metavar="FILE", help="a JSON object per line: title, context, questions")
    documents.add_argument("--limit", type=int, metavar="N", help="only the first N passages")
    for each in (learning, documents):
        each.add_argument(
            "--arms",
            default="ours,sft,context,base",
            metavar="LIST",
            help="what to compare (default: ours,sft,context,base)",
        )
        each.add_argument("--seed", type=int, metavar="N", help="of everything random (default: lesson.seed of the configuration)")
        each.add_argument("--plot", type=Path, metavar="OUT.png", help="draw them there (.png, .svg or .pdf)")
    corrections = command(
        kinds,
        "corrections",
        run,
        "Correct wrong answers, then ask again, in the same words and in others.",
        "tutee eval corrections --cases corrections.jsonl --limit 3",
    )
    corrections.add_argument(
        "--cases", type=Path, required=True, metavar="FILE", help="a JSON object per line: lesson, kept, question, correction, answer, paraphrases"
    )
    corrections.add_argument("--arms", default="ours", metavar="LIST", help="what to compare: ours, dpo, kto (default: ours)")
    of_several = [
        ("forgetting", 4, "lessons of each user, who forgets one of them", "Teach facts, forget some, then ask about all of them."),
        ("packs", 2, "lessons of a pack, and of who takes it", "Take lessons from somebody else: trained anew, or by adding their adapter."),
    ]
    parsers = [corrections]
    for name, count, lessons, what in of_several:
        parser = command(kinds, name, run, what, f"tutee eval {name} --facts facts.jsonl --each {count} --limit 24")
        parser.add_argument("--facts", type=Path, required=True, metavar="FILE", help="a JSON object per line: lesson, questions, unknown")
        parser.add_argument("--each", type=int, default=count, metavar="N", help=f"{lessons} (default: {count})")
        parsers.append(parser)
    for each in parsers:
        each.add_argument("--limit", type=int, metavar="N", help="only the first N rows")
        each.add_argument("--seed", type=int, metavar="N", help="of everything random (default: lesson.seed of the configuration)")
    moderation = command(kinds, "moderation", run, "Moderate labelled texts.", "tutee eval moderation --texts texts.jsonl")
    moderation.add_argument("--texts", type=Path, required=True, metavar="FILE", help="a JSON object per line: text, flagged")
    tools = command(
        kinds,
        "tools",
        run,
        "How well tools are learned by chatting: the case study of the paper.",
        "tutee eval tools --dialogues tests/data/tool_dialogues.jsonl.xz --examples 100 --seeds 1 --requests 20",
    )
    tools.add_argument(
        "--dialogues", type=Path, required=True, metavar="FILE", help="a JSON object per line, may be .xz: request, tool, arguments, tested"
    )
    tools.add_argument("--arms", default="prompt,ot,sft", metavar="LIST", help="what to compare (default: prompt,ot,sft)")
    tools.add_argument("--examples", default="100,500,1000,2000", metavar="LIST", help="how many to generate (default: 100,500,1000,2000)")
    tools.add_argument("--labelled", type=int, default=6000, metavar="N", help="labelled requests for sft at most (default: 6000)")
    tools.add_argument("--requests", type=int, default=60, metavar="N", help="requests asked of each tool at most (default: 60)")
    tools.add_argument("--seeds", type=int, default=3, metavar="N", help="how often each arm runs, with another seed (default: 3)")
    tools.add_argument("--plot", type=Path, metavar="OUT.png", help="draw them there (.png, .svg or .pdf)")
    for each in (learning, documents, *parsers, moderation, tools):
        each.add_argument("--json", type=Path, metavar="OUT", help="write the figures there")


def _add_bench(parser: Parser, command: _Command, run: Run) -> None:
    kinds = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    texts = {
        "engine": "Tokens per second with an adapter for every user.",
        "training": "Seconds per epoch of a lesson.",
        "jobs": "Milliseconds from message to work, from lesson to first answer.",
    }
    for name, text in texts.items():
        bench = command(kinds, name, run, text, f"tutee bench {name} --json out.json")
        users = {"engine": "1,4,16,64", "training": "1,4,16", "jobs": "4"}[name]
        bench.add_argument("--users", default=users, metavar="LIST", help=f"how many at once (default: {users})")
        bench.add_argument("--synthetic", choices=["10m", "135m", "8b"], help="random weights of that size instead of a real model")
        bench.add_argument("--json", type=Path, metavar="OUT", help="write the figures there")
        bench.add_argument("--plot", type=Path, metavar="OUT.png", help="draw them there")
        if name == "engine":
            bench.add_argument("--arms", metavar="LIST", help="what to compare (default: all, see the documentation)")
            bench.add_argument("--repeats", type=int, default=3, metavar="N", help="turns whose median counts (default: 3)")
            bench.add_argument("--new-tokens", type=int, default=64, metavar="N", help="tokens of an answer (default: 64)")
            bench.add_argument("--stored", default="10,1000,100000", metavar="LIST", help="adapters in the store; empty: not measured")
            bench.add_argument("--vllm", metavar="PROGRAM", help="vLLM's command, or a Python that has it (default: `vllm` where there is one)")
        if name == "training":
            bench.add_argument("--arms", default="tutee,tutee-alone,peft-loop,trl-sft", metavar="LIST", help="what to compare (default: all)")
            bench.add_argument("--epochs", type=int, default=3, metavar="N", help="times that each example is trained (default: 3)")
            bench.add_argument("--examples", type=int, default=64, metavar="N", help="examples of each user (default: 64)")
            bench.add_argument("--dtype", choices=["float32", "bfloat16"], help="of the base model (default: what a worker here would choose)")
        if name == "jobs":
            bench.add_argument("--stored", default="10,1000,100000", metavar="LIST", help="people in the database; empty: not measured")
            bench.add_argument("--minutes", type=float, default=10.0, metavar="N", help="after which no turn is begun but the first (default: 10)")
        if name != "engine":
            bench.add_argument("--repeats", type=int, default=3, metavar="N", help="turns whose median counts (default: 3)")


def _common_options() -> Parser:
    common = Parser(add_help=False, argument_default=argparse.SUPPRESS)
    group = common.add_argument_group("common options")
    group.add_argument("--config", metavar="FILE", help="the configuration (default: embedded)")
    group.add_argument("--data", metavar="DIR", help="where everything lives (default: TUTEE_DATA, or the user's data folder)")
    group.add_argument(
        "--base-model",
        metavar="NAME-OR-PATH",
        help="pocket, a Hugging Face id, or a folder (default: TUTEE_BASE_MODEL, or pocket)",
    )
    group.add_argument("--log-level", choices=LEVELS, help="how much is logged (default: warning)")
    group.add_argument("--log-format", choices=FORMATS, help="text for people, or json: one object per line (default: text)")
    return common


def _port(text: str) -> int:
    number = int(text)
    if not 0 < number < 65536:
        raise argparse.ArgumentTypeError("a port is a number from 1 to 65535")
    return number


def _version() -> str:
    try:
        return version("tutee")
    except PackageNotFoundError:
        return "(not installed)"
