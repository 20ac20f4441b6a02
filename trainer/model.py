"""The base model: weights, tokenizer and chat format, loaded once per process and never changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from trainer.errors import (
    CorruptModelError,
    ModelError,
    ModelNotFoundError,
    NoChatTemplateError,
    NotAModelError,
    UnsupportedModelError,
)

POCKET = "pocket"
SMALL_MODEL = 100_000_000  # parameters; below it the learning rate and the recipe of the pocket model


@dataclass(frozen=True)
class BaseModel:
    """A frozen causal language model (evaluation mode, no gradients) with its tokenizer, under the name users know."""

    name: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    _encoding: Lock = field(default_factory=Lock, repr=False, compare=False)  # to encode, a tokenizer is changed now and then

    @property
    def is_small(self) -> bool:
        """Whether it has too few parameters to learn as real models do."""
        return sum(p.numel() for p in self.model.parameters()) < SMALL_MODEL

    def prompt_ids(self, messages: list[dict[str, str]]) -> list[int]:
        """Token ids of the conversation plus the header of the assistant's next turn.

        Where the conversation ends with words of the assistant's, they are the beginning of that turn.
        Control tokens inside a message are encoded as ordinary text, so a user cannot forge another role's turn.
        """
        with self._encoding:
            return chat_ids(self.tokenizer, messages)

    def text_ids(self, text: str) -> list[int]:
        """Token ids of a text alone."""
        with self._encoding:
            return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])


def load_base(name_or_path: str, *, pocket_path: Path, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32) -> BaseModel:
    """Load `pocket` (from `pocket_path`), a folder in Hugging Face format, or a Hugging Face id.

    Only safetensors weights are read and no code from the model's repository is run.
    Raises ModelNotFoundError, NotAModelError, NoChatTemplateError, CorruptModelError or UnsupportedModelError.
    """
    read_config(name_or_path, pocket_path=pocket_path)
    source = _source(name_or_path, pocket_path)
    tokenizer = _load_tokenizer(name_or_path, source)
    model = _load_weights(name_or_path, source, torch.device(device), dtype)
    name = POCKET if name_or_path == POCKET else Path(source).name if Path(source).is_dir() else name_or_path
    return BaseModel(name=name, model=model, tokenizer=tokenizer)


def read_config(name_or_path: str, *, pocket_path: Path) -> PreTrainedConfig:
    """What kind of model it is, without its weights. Raises ModelNotFoundError, NotAModelError or UnsupportedModelError."""
    source = _source(name_or_path, pocket_path)
    try:
        config: PreTrainedConfig = AutoConfig.from_pretrained(source, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise _unreadable(name_or_path, source, error) from error
    return config


def load_tokenizer(name_or_path: str, *, pocket_path: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a base model, without the weights. Raises as `load_base`."""
    return _load_tokenizer(name_or_path, _source(name_or_path, pocket_path))


def chat_ids(tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, str]]) -> list[int]:
    """As `BaseModel.prompt_ids`. Not for two threads at once."""
    if len(messages) > 1 and messages[-1]["role"] == "assistant":
        begun = tokenizer(messages[-1]["content"], add_special_tokens=False, split_special_tokens=True)
        return [*chat_ids(tokenizer, messages[:-1]), *begun["input_ids"]]
    can_think = "enable_thinking" in tokenizer.get_chat_template()
    switches: dict[str, Any] = {"enable_thinking": False} if can_think else {}
    settings = {"add_generation_prompt": True, "return_dict": False, "sanitize_control_tokens": True, **switches}
    return list(tokenizer.apply_chat_template(messages, **settings))


def eos_ids(base: BaseModel) -> frozenset[int]:
    """Every token id that ends an answer, from the generation settings and from the tokenizer."""
    generation = base.model.generation_config
    configured = None if generation is None else generation.eos_token_id
    ids = configured if isinstance(configured, list) else [configured]
    return frozenset(int(one) for one in [*ids, base.tokenizer.eos_token_id] if one is not None)


def turn_end(base: BaseModel) -> int:
    """The token with which the chat template ends the assistant's turn. Raises UnsupportedModelError where nothing ends an answer."""
    ends = eos_ids(base)
    talk = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "x"}]
    rendered = list(base.tokenizer.apply_chat_template(talk, return_dict=False))
    after = [token for token in rendered[len(base.prompt_ids(talk[:1])) :] if token in ends]
    if after or base.tokenizer.eos_token_id in ends:
        return int(after[0] if after else base.tokenizer.eos_token_id)
    raise _unsupported(base.name, "no token ends an answer")


def _source(name_or_path: str, pocket_path: Path) -> str:
    if name_or_path == POCKET:
        if not pocket_path.is_dir():
            raise ModelNotFoundError(f"The pocket model is not installed: {pocket_path} does not exist. Reinstall Tutee, or name another.")
        return str(pocket_path)
    folder = Path(name_or_path).expanduser()
    if folder.is_dir():
        return str(folder.resolve())
    if name_or_path.startswith(("/", ".", "~")) or name_or_path.count("/") > 1:
        raise ModelNotFoundError(f"There is no model folder {name_or_path}. Check the path of the base model.")
    return name_or_path


def _unreadable(name: str, source: str, error: BaseException) -> ModelError:
    detail = f"{type(error).__name__}: {error}"
    if Path(source).is_dir():
        return NotAModelError(
            f"The folder {source} does not hold a model that can be used. It needs config.json, model.safetensors and "
            "the tokenizer's files, as save_pretrained writes them.",
            detail,
        )
    causes = _chain(error)
    if any(isinstance(cause, GatedRepoError) for cause in causes):
        return ModelNotFoundError(f"The model {name} asks you to accept its licence. Do so on huggingface.co and set HF_TOKEN.", detail)
    if any(isinstance(cause, (RepositoryNotFoundError, HFValidationError)) for cause in causes):
        return ModelNotFoundError(f"There is no model {name} on Hugging Face. Check the spelling; a private model needs HF_TOKEN.", detail)
    if isinstance(error, ValueError):
        return _unsupported(name, detail)
    return ModelNotFoundError(
        f"The model {name} is not on this machine and could not be fetched from Hugging Face. Check the network, or "
        "give a folder or `pocket` as the base model.",
        detail,
    )


def _load_tokenizer(name: str, source: str) -> PreTrainedTokenizerBase:
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    except Exception as error:  # the tokenizers library raises plain Exception for a broken tokenizer.json
        raise _unreadable(name, source, error) from error
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        raise NotAModelError(f"The model {name} has no tokenizer that can be used. Choose another base model.")
    if not tokenizer.chat_template:
        raise NoChatTemplateError(f"The model {name} has no chat template, so it cannot converse. Choose its chat or instruct version.")
    return tokenizer


def _load_weights(name: str, source: str, device: torch.device, dtype: torch.dtype) -> PreTrainedModel:
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            source,
            dtype=dtype,
            attn_implementation="sdpa",  # the engine builds boolean masks, which only this implementation reads
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except OSError as error:
        raise _unreadable(name, source, error) from error
    except ValueError as error:
        raise _unsupported(name, str(error)) from error
    except (SafetensorError, RuntimeError) as error:
        raise _corrupt(name, str(error)) from error
    model, report = loaded
    # transformers fills missing weights with random numbers and only warns
    if report["missing_keys"] or report["mismatched_keys"]:
        raise _corrupt(name, f"missing {sorted(report['missing_keys'])[:5]}")
    frozen: PreTrainedModel = model.to(device).eval().requires_grad_(False)
    return frozen


def _unsupported(name: str, detail: str) -> UnsupportedModelError:
    return UnsupportedModelError(f"The model {name} is of a kind that cannot be used here. Choose another one.", detail)


def _corrupt(name: str, detail: str) -> CorruptModelError:
    return CorruptModelError(f"The weights of the model {name} are damaged or incomplete. Delete them and fetch the model again.", detail)


def _chain(error: BaseException) -> list[BaseException]:
    causes: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in causes:
        causes.append(current)
        current = current.__cause__ or current.__context__
    return causes
