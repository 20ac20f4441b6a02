"""What can be said about the configured base model without loading it, which takes seconds and other libraries."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils._validators import validate_repo_id

from trainer.configuration import CONFIGS

POCKET_WEIGHTS = CONFIGS.parent / "trainer" / "pocket" / "weights"
PARTS = ("config.json", "*.safetensors", "tokenizer*")


def problem(name: str) -> str | None:
    """Why this base model cannot be used, and what to do; None where nothing speaks against it so far."""
    folder = POCKET_WEIGHTS if name == "pocket" else Path(name).expanduser()
    if folder.is_dir():
        lacking = [part for part in PARTS if not any(folder.glob(part))]
        return f"The folder {folder} is no model that can be used: there is no {', no '.join(lacking)} in it." if lacking else None
    if name == "pocket":
        return f"The pocket model is not installed: {folder} does not exist. Reinstall Tutee, or name another base model."
    if name.startswith(("/", ".", "~")) or name.count("/") > 1:
        return f"There is no model folder {name}. Check the path of the base model."
    try:
        validate_repo_id(name)
    except HFValidationError:
        return f"{name} is neither a folder nor the name of a model on Hugging Face. Check the base model."
    return None


def whereabouts(name: str) -> str | None:
    """Where on this machine the model is; None where the engine has to fetch it first."""
    if name == "pocket":
        return str(POCKET_WEIGHTS)
    folder = Path(name).expanduser()
    if folder.is_dir():
        return str(folder.resolve())
    with suppress(HFValidationError):  # not a name that could be there
        if isinstance(try_to_load_from_cache(name, "config.json"), str):
            return "the Hugging Face cache"
    return None
