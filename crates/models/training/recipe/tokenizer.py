"""The tokenizer: byte-level BPE of the Qwen2 family, trained on the captions themselves.

Any text can be encoded, and the words of the captions are one token each. Qwen3's chat template stays as it is: its
constant head and tail are one added token each, so code that has the real template wired in works unchanged and a
caption costs two extra tokens instead of twelve.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from torch import Tensor, tensor

from .captions import COLOR_SYNONYMS, PLURALS, SYNONYMS, article, caption, plural
from .edits import instruction, random_edit
from .scenes import OBJECTS, random_scene

HEAD = "<|im_start|>user\n"
TAIL = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
PAD = "<|endoftext|>"
END = "<|im_end|>"

CHAT_TEMPLATE = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}"
    "{{- '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}"
    "{{- '<think>\\n\\n</think>\\n\\n' }}"
    "{%- endif %}"
    "{%- endif %}"
)
"""What Qwen3's template amounts to for plain messages."""

SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
"""Where Qwen2 cuts a text before merging; the same on the Rust side, so it must not be changed."""


def build(vocabulary: int):
    """Trains a tokenizer of at most `vocabulary` tokens."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import Qwen2TokenizerFast

    core = Tokenizer(models.BPE(byte_fallback=False, unk_token=None, fuse_unk=False))
    core.normalizer = normalizers.NFC()
    core.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(SPLIT), behavior="isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    core.decoder = decoders.ByteLevel()
    core.post_processor = processors.ByteLevel(trim_offsets=False)
    special = [PAD, "<|im_start|>", END, HEAD, TAIL]
    core.train_from_iterator(_corpus(), trainers.BpeTrainer(
        vocab_size=vocabulary - len(special), min_frequency=2, special_tokens=[], show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    core.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in special])
    tokenizer = Qwen2TokenizerFast(tokenizer_object=core, pad_token=PAD, eos_token=END, unk_token=None, bos_token=None,
                                   model_max_length=1024, padding_side="right")
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def load(folder: Path):
    """Loads a saved tokenizer."""
    from transformers import Qwen2TokenizerFast

    return Qwen2TokenizerFast.from_pretrained(folder)


def train(vocabulary: int, folder: Path) -> None:
    """Builds and saves a tokenizer, and checks that the real template survives it."""
    if folder.exists():
        return
    build(vocabulary).save_pretrained(folder)
    tokenizer = load(folder)
    longest = 0
    for text in _sentences(3000, 11):
        message = [{"role": "user", "content": text}]
        whole = tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True, enable_thinking=False)
        assert whole == HEAD + text + TAIL, repr(whole)
        ids = tokenizer(whole)["input_ids"]
        longest = max(longest, len(ids))
        assert tokenizer.decode(ids, skip_special_tokens=True) == text, text
    print(f"tokenizer: {len(tokenizer)} tokens, longest text {longest}", flush=True)


class Texts:
    """Texts to padded token numbers, remembered."""

    def __init__(self, tokenizer, length: int) -> None:
        self.tokenizer, self.length = tokenizer, length
        self.known: dict[str, tuple[list[int], list[int]]] = {}

    def __call__(self, texts: list[str]) -> tuple[Tensor, Tensor]:
        """Returns token numbers and mask, `[n, length]` each."""
        rows = [self._row(text) for text in texts]
        return tensor([ids for ids, _ in rows]), tensor([mask for _, mask in rows])

    def _row(self, text: str) -> tuple[list[int], list[int]]:
        if text not in self.known:
            encoded = self.tokenizer(HEAD + text + TAIL, padding="max_length", truncation=True, max_length=self.length)
            self.known[text] = (encoded["input_ids"], encoded["attention_mask"])
        return self.known[text]


def _sentences(n: int, seed: int) -> Iterator[str]:
    rng = random.Random(seed)
    for _ in range(n):
        yield caption(random_scene(rng, len(OBJECTS)), rng)
        yield instruction(random_edit(rng, len(OBJECTS)), rng)


def _corpus() -> Iterator[str]:
    """The captions of all objects, whatever number of them is trained, so that more can be added later."""
    yield from _sentences(20_000, 7)
    for _ in range(30):
        for noun, _ in OBJECTS:
            for word in {noun, SYNONYMS.get(noun, noun)}:
                yield from (word, article(word), f"the {word}", f"two {plural(word)}", word.capitalize())
        yield from (f"the {word}" for word in (*COLOR_SYNONYMS.values(), *PLURALS.values()))
