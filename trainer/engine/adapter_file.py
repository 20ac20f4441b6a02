"""One LoRA adapter as PEFT writes it: adapter_config.json and adapter_model.safetensors."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from trainer.errors import AdapterNotFoundError, CorruptAdapterError, UnsupportedAdapterError

# Settings that plain LoRA inference either uses below or may ignore. Any other setting that is switched on changes what
# the adapter computes, in today's PEFT or a later one, so it is refused rather than silently left out.
USED = {"peft_type", "r", "lora_alpha", "use_rslora", "rank_pattern", "alpha_pattern", "bias", "init_lora_weights"}
DESCRIPTIVE = {"task_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision", "inference_mode"}
SHOWN_BY_THE_TENSORS = {"target_modules", "exclude_modules", "layers_to_transform", "layers_pattern"}
WITHOUT_EFFECT = {"lora_dropout", "megatron_core", "qalora_group_size", "loftq_config"}
UNDERSTOOD = USED | DESCRIPTIVE | SHOWN_BY_THE_TENSORS | WITHOUT_EFFECT
PLAIN_PATTERN = re.compile(r"[\w.\\*|$-]{1,200}")  # names of layers, with dots and stars
# Initialisations that change the base weights: such an adapter only fits the changed base.
CHANGES_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")


@dataclass(frozen=True)
class LoraPair:
    """One layer's update x → x Aᵀ Bᵀ. `a` [rank, in], `b` [out, rank], alpha / rank already folded into `b`."""

    a: torch.Tensor
    b: torch.Tensor


def read_adapter(folder: Path) -> dict[str, LoraPair]:
    """The adapter's pairs by module name (`model.layers.0.self_attn.q_proj`), on the CPU, as stored.

    Raises AdapterNotFoundError, UnsupportedAdapterError (not plain LoRA) or CorruptAdapterError. Nothing is unpickled.
    """
    config = _read_config(folder)
    _refuse_unsupported(config, folder)
    try:
        tensors = load_file(folder / "adapter_model.safetensors")
    except FileNotFoundError as error:
        raise _not_found(folder) from error
    except (SafetensorError, OSError) as error:
        raise _corrupt(folder, str(error)) from error

    halves: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in tensors.items():
        match = re.fullmatch(r"(?:base_model\.model\.)?(.+)\.lora_([AB])(?:\.default)?\.weight", key)
        if match is None or tensor.dim() != 2:
            raise UnsupportedAdapterError(f"The adapter {folder.name} is not plain LoRA. Train it again.", key)
        halves.setdefault(match[1], {})[match[2]] = tensor
    if not halves:
        raise _corrupt(folder, "no tensors")
    return {module: _pair(module, parts, config, folder) for module, parts in halves.items()}


def _read_config(folder: Path) -> dict[str, object]:
    try:
        config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise _not_found(folder) from error
    except (ValueError, OSError) as error:
        raise _corrupt(folder, str(error)) from error
    if not isinstance(config, dict):
        raise _corrupt(folder, "adapter_config.json is not an object")
    return config


def _refuse_unsupported(config: dict[str, object], folder: Path) -> None:
    reasons = [f"{key}={value!r}" for key, value in config.items() if key not in UNDERSTOOD and value]
    if config.get("peft_type") != "LORA":
        reasons.insert(0, f"peft_type={config.get('peft_type')!r}")
    if config.get("bias", "none") != "none":
        reasons.append(f"bias={config['bias']!r}")
    if str(config.get("init_lora_weights")).startswith(CHANGES_BASE):
        reasons.append(f"init_lora_weights={config['init_lora_weights']!r}")
    reasons += [
        f"{key}: {pattern[:80]!r}" for key in ("rank_pattern", "alpha_pattern") for pattern in _patterns(config, key) if not _is_plain(pattern)
    ]
    if reasons:
        raise UnsupportedAdapterError(f"The adapter {folder.name} uses settings that cannot be served: {', '.join(reasons)}. Use plain LoRA.")


def _pair(module: str, parts: dict[str, torch.Tensor], config: dict[str, object], folder: Path) -> LoraPair:
    if parts.keys() != {"A", "B"} or parts["A"].shape[0] != parts["B"].shape[1]:
        raise _corrupt(folder, f"{module}: A and B do not belong together")
    rank = parts["A"].shape[0]
    try:
        alpha = float(_by_pattern(config.get("alpha_pattern"), module, config["lora_alpha"]))  # type: ignore[arg-type]  # checked by the except
        stated_rank = int(_by_pattern(config.get("rank_pattern"), module, config["r"]))  # type: ignore[call-overload]  # checked by the except
    except (KeyError, TypeError, ValueError) as error:
        raise _corrupt(folder, f"lora_alpha or r: {error}") from error
    if stated_rank != rank:
        raise _corrupt(folder, f"{module}: rank {rank}, configuration says {stated_rank}")
    scale = alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank
    if not all(torch.isfinite(part).all() for part in parts.values()):
        raise _corrupt(folder, f"{module}: not all numbers are finite")
    return LoraPair(a=parts["A"], b=parts["B"].float() * scale)


def _patterns(config: dict[str, object], key: str) -> list[str]:
    stated = config.get(key)
    return [str(pattern) for pattern in stated] if isinstance(stated, dict) else []


def _is_plain(pattern: str) -> bool:
    """Whether it is quickly matched: a file must not be able to hold up the engine with a regular expression."""
    if not PLAIN_PATTERN.fullmatch(pattern) or pattern.count("*") > 3:
        return False
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def _by_pattern(patterns: object, module: str, default: object) -> object:
    """PEFT's rule: a pattern is a regular expression for the end of the module's name, the first match counts."""
    if isinstance(patterns, dict):
        for pattern, value in patterns.items():
            if re.match(rf"(.*\.)?({pattern})$", module):
                return value
    return default


def _not_found(folder: Path) -> AdapterNotFoundError:
    return AdapterNotFoundError(f"The files of the adapter {folder.name} are gone. Roll back to another version.")


def _corrupt(folder: Path, detail: str) -> CorruptAdapterError:
    message = f"The files of the adapter {folder.name} are damaged. Roll back to another version."
    return CorruptAdapterError(message, detail)
