"""Tiny random models and adapters in Hugging Face and PEFT format, for tests that need real files but no meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
)

ARCHITECTURES = ("llama", "qwen3", "smollm")

SENTENCES = (
    "Our release train leaves every second Tuesday.",
    "My cat is called Minka and she is afraid of thunder.",
    "What is my cat called? Your cat is called Minka.",
    "I don't know. You have not told me that yet.",
    "Zürich, Kraków, 東京 and Αθήνα are cities; naïve cafés sell crêpes. 👍",
)

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

THINKING_TEMPLATE = CHAT_TEMPLATE + (
    "{% if add_generation_prompt and enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}"
)


def save_tiny_model(folder: Path, architecture: str = "llama", seed: int = 0) -> Path:
    """Write a random model of one of ARCHITECTURES with its tokenizer to `folder`; returns the folder."""
    tokenizer = tiny_tokenizer(THINKING_TEMPLATE if architecture == "qwen3" else CHAT_TEMPLATE)
    torch.manual_seed(seed)
    model = _tiny_model(architecture, tokenizer)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.mul_(4.0)  # wider than the usual 0.02, so that greedy choices are far apart
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_random_adapter(folder: Path, base_folder: Path, seed: int, rank: int = 4, **lora: Any) -> Path:
    """Let PEFT write a random LoRA adapter (non-zero A and B) for the model in `base_folder`; returns `folder`."""
    model = AutoModelForCausalLM.from_pretrained(base_folder)
    settings: dict[str, Any] = {"target_modules": "all-linear", "lora_alpha": 2 * rank, **lora}
    peft_model = get_peft_model(model, LoraConfig(r=rank, task_type="CAUSAL_LM", **settings))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in peft_model.named_parameters():
            if "lora_" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.15)
    peft_model.save_pretrained(str(folder))
    return folder


def peft_answer(base_folder: Path, adapter: Path | None, prompt_ids: tuple[int, ...], new_tokens: int) -> list[int]:
    """The token ids that plain transformers (PEFT, given an adapter) writes alone, greedily, end token included."""
    model: Any = AutoModelForCausalLM.from_pretrained(base_folder)
    if adapter is not None:
        model = PeftModel.from_pretrained(model, str(adapter))
    ids = torch.tensor([prompt_ids])
    settings = {"max_new_tokens": new_tokens, "do_sample": False}
    written = model.eval().generate(input_ids=ids, attention_mask=torch.ones_like(ids), **settings)
    answer: list[int] = written[0, ids.shape[1] :].tolist()
    return answer


def tiny_tokenizer(chat_template: str = CHAT_TEMPLATE) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer of 400 tokens, trained on SENTENCES."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(SENTENCES, trainer)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # transformers leaves it untyped
        tokenizer_object=backend, eos_token="<|im_end|>", pad_token="<|endoftext|>", chat_template=chat_template
    )


def _tiny_model(architecture: str, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    shape: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": 48,
        "intermediate_size": 96,
        "num_hidden_layers": 3,
        "max_position_embeddings": 512,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    if architecture == "qwen3":
        heads: dict[str, Any] = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16}
        return Qwen3ForCausalLM(Qwen3Config(**shape, **heads, tie_word_embeddings=True))
    if architecture == "smollm":  # Llama layers, grouped keys, tied embeddings
        return LlamaForCausalLM(LlamaConfig(**shape, num_attention_heads=6, num_key_value_heads=2, tie_word_embeddings=True))
    return LlamaForCausalLM(LlamaConfig(**shape, num_attention_heads=4, num_key_value_heads=4))
