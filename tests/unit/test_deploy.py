"""The files for installing on machines of one's own: valid for their tools, and in agreement with the code."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from bot.arguments import parser
from trainer.configuration import CONFIGS, inherited, load

DEPLOY = CONFIGS / "deploy"
KEYS = {"TUTEE_METRICS_KEY": "k"}
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
SETTINGS = load(DEPLOY / "tutee.yaml", KEYS)


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


def pods(path: Path) -> list[dict[str, Any]]:
    return [each["spec"]["template"]["spec"] for each in documents(path) if "template" in each.get("spec", {})]


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


def accepts(arguments: list[str]) -> bool:
    """Whether `tutee` takes this command line."""
    commands = {name: lambda _: 0 for name in ("up", "chat", "bot", "worker", "engine", "doctor", "eval", "bench", "db upgrade", "backup", "restore")}
    return bool(parser(commands).parse_args([str(each) for each in arguments]))


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_kubernetes_takes_each_manifest(path: Path) -> None:
    for each in documents(path):
        kubernetes_validate.validate(each, "1.30", strict=True)


def test_a_manifest_with_a_slip_would_be_refused() -> None:
    wrong = documents(DEPLOY / "kubernetes" / "worker.yaml")[0]
    wrong["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerport"] = 1
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, "1.30", strict=True)


def test_the_kustomization_names_files_that_are_there_and_none_above_it() -> None:
    kustomization = documents(DEPLOY / "kustomization.yaml")[0]
    files = [name for generator in kustomization["configMapGenerator"] for name in generator["files"]]
    for name in (*kustomization["resources"], *files):
        assert (DEPLOY / name).is_file() and ".." not in name


@pytest.mark.parametrize("command", [["kubectl", "kustomize"], ["kustomize", "build"]], ids=lambda command: command[0])
def test_its_own_tools_build_the_kustomization(command: list[str]) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    built = subprocess.run([*command, str(DEPLOY)], capture_output=True, check=True, text=True).stdout
    kinds = [each["kind"] for each in yaml.safe_load_all(built)]
    expected = sum(len(documents(DEPLOY / name)) for name in documents(DEPLOY / "kustomization.yaml")[0]["resources"])
    assert len(kinds) == expected + 1 and "ConfigMap" in kinds


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_each_pod_runs_a_command_that_there_is_with_the_least_rights(path: Path) -> None:
    for pod in pods(path):
        volumes = {each["name"] for each in pod["volumes"]}
        assert pod["securityContext"]["runAsNonRoot"] and pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            assert {each["name"] for each in container["volumeMounts"]} <= volumes
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            if container["image"] == "tutee":
                assert accepts(container["args"]) and container["securityContext"]["readOnlyRootFilesystem"]
                assert container["envFrom"] == [{"secretRef": {"name": "tutee"}}]
                for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                    if probe in container:
                        assert any(port["name"] == "http" for port in container["ports"])


def test_ports_and_names_are_those_of_the_configuration() -> None:
    ports = {
        path.stem: pod["containers"][0]["ports"][0]["containerPort"] for path in MANIFESTS for pod in pods(path) if "ports" in pod["containers"][0]
    }
    assert ports == {
        "bot": SETTINGS.metrics.port,
        "worker": SETTINGS.metrics.port,
        "engine": SETTINGS.engine.port,
        "engine-vllm": SETTINGS.engine.port,
    }
    service, engines = documents(DEPLOY / "kubernetes" / "engine.yaml")
    names = [
        f"http://{engines['metadata']['name']}-{number}.{service['metadata']['name']}:{SETTINGS.engine.port}"
        for number in range(engines["spec"]["replicas"])
    ]
    assert SETTINGS.engine.url == ",".join(names)
    aliases = [service["networks"]["default"]["aliases"] for name, service in compose()["services"].items() if name.startswith("engine")]
    assert [f"http://{each}:{SETTINGS.engine.port}" for each in itertools.chain(*aliases)] == names


def test_vllm_is_started_as_its_hazards_ask_for() -> None:
    [pod] = pods(DEPLOY / "kubernetes" / "engine-vllm.yaml")
    engine, vllm = pod["containers"]
    flags = dict(each.removeprefix("--").partition("=")[::2] for each in vllm["args"])

    assert flags["host"] == "127.0.0.1" and "ports" not in vllm, "nobody else reaches it"
    assert int(flags["max-loras"]) > 1 and int(flags["max-lora-rank"]) >= SETTINGS.lesson.rank
    assert int(flags["max-cpu-loras"]) == SETTINGS.engine.adapter_slots + 1, "it never pushes one out by itself, nor that which changes nothing"
    assert {"name": "VLLM_ALLOW_RUNTIME_LORA_UPDATING", "value": "True"} in vllm["env"]
    assert not any("RESOLVER" in each["name"] for each in vllm["env"]), "it follows ../ in names"
    assert {"name": "TUTEE_VLLM_URL", "value": f"http://127.0.0.1:{flags['port']}"} in engine["env"]
    places = [{each["name"]: each["mountPath"] for each in container["volumeMounts"]}["data"] for container in (engine, vllm)]
    assert places == [str(SETTINGS.data)] * 2, "both see the adapters' folders under one name"


def test_the_compose_file_is_as_the_specification_says_and_one_with_a_slip_is_not(tmp_path: Path) -> None:
    wrong = tmp_path / "compose.yaml"
    wrong.write_text((DEPLOY / "compose.yaml").read_text().replace("read_only:", "readonly:"))
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    right, refused = (subprocess.run([*check, str(each)], capture_output=True, text=True) for each in (DEPLOY / "compose.yaml", wrong))
    assert right.returncode == 0 and refused.returncode == 1 and "readonly" in refused.stdout


@pytest.mark.parametrize("command", [["docker", "compose"], ["docker-compose"]], ids=" ".join)
def test_compose_itself_takes_the_file(command: list[str]) -> None:
    version = shutil.which(command[0]) and subprocess.run([*command, "version", "--short"], capture_output=True, text=True).stdout
    if not version or version.startswith("1."):
        pytest.skip(f"'{' '.join(command)}' is not installed, or older than the specification")
    text = (DEPLOY / "compose.yaml").read_text()
    environment = inherited(dict.fromkeys(re.findall(r"\$\{(\w+)", text), "x"))
    config = [*command, "--file", str(DEPLOY / "compose.yaml"), "config", "--format", "json"]
    read = subprocess.run(config, env=environment, capture_output=True, text=True)
    assert read.returncode == 0, read.stderr
    assert json.loads(read.stdout)["services"].keys() == compose()["services"].keys()


def test_compose_services_run_commands_that_there_are_and_wait_for_what_there_is() -> None:
    content = compose()
    services = content["services"]
    for name, service in services.items():
        assert set(service.get("depends_on", [])) <= services.keys()
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source.startswith("/") or source in content["volumes"]
        if service["image"] == "tutee":
            assert accepts(service["command"]), name
    assert services["worker"]["deploy"]["replicas"] == 3


def test_no_secret_stands_in_any_of_the_files_and_each_one_is_in_the_example() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    asked = set(re.findall(r"\$\{(\w+)", text))
    example = dict(line.split("=") for line in (DEPLOY / "example.env").read_text().splitlines() if line and not line.startswith("#"))
    assert asked == example.keys() and not any(example.values())
    for path in DEPLOY.rglob("*"):
        if path.is_file():
            for line in path.read_text().splitlines():
                read = re.sub(r"\$\{[^}]*\}|\$\$\w+", "$", line)  # from the environment
                values = re.findall(r"(?:PASSWORD|TOKEN|SECRET_ACCESS_KEY|METRICS_KEY): *(\S+)|://\w*:(\S+?)@", read)
                assert all("".join(value) == "$" for value in values), f"{path.name}: {line}"


def test_the_image_holds_all_that_the_code_needs_and_names_files_that_are_there() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    root = CONFIGS.parent
    copied = [word for line in lines if line.startswith("COPY") and "--from" not in line for word in line.split()[1:-1]]
    assert all((root / each).exists() for each in copied)
    assert {"bot", "trainer", "storage", "migrations", "configs", "pyproject.toml", "constraints.txt"} <= set(copied)
    allowed = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {each.split("/")[0] for each in copied} <= allowed
    assert any(line.startswith("USER tutee") for line in lines)
