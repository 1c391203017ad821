"""Texts <-> token numbers: byte-level pieces learnt from the source, and tokens of our own.

Byte-level byte-pair encoding (Sennrich et al. 2016; Radford et al. 2019) spells any text, so nothing is ever unknown.
Digits are pieces by themselves. Slots and marks are single tokens. Knows texts with slots, not what they are for.

    vocabulary = Vocabulary.fit(texts, size=2000, slots=8)
    ids = vocabulary.encode("March ⟨0⟩, ⟨1⟩")
    vocabulary.decode(ids, ("3", "2024"))           # "March 3, 2024"
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from .errors import UserError
from .slots import SLOT, Value, spell

PAD, MASK, END = 0, 1, 2  # a row's empty end; a hidden token; the end of a text
FIRST = 3  # of the slots, then of the marks, then of the pieces
PROBED, MISSPELT = 2000, 0.01  # texts that a tokenizer from elsewhere is tried on; the share it may spell differently


@dataclass(frozen=True)
class Vocabulary:
    """Token numbers: PAD, MASK, END, the slots, the marks, the pieces."""

    tokenizer: Tokenizer
    slots: int
    marks: tuple[str, ...] = ()
    known: dict[str, tuple[int, ...]] = field(default_factory=dict, compare=False)  # pieces of what was met

    @staticmethod
    def fit(texts: Iterable[str], pieces: int | Tokenizer, slots: int, marks: Sequence[str] = ()) -> Vocabulary:
        """At most so many pieces, the 256 bytes among them, from texts with slots; or those of a tokenizer, and a
        UserError if it does not spell 99 % of the texts to the letter."""
        parts = (part for text in texts for part in _split(text) if isinstance(part, str))
        if isinstance(pieces, int):
            return Vocabulary(train_pieces(parts, pieces), slots, tuple(marks))
        vocabulary = Vocabulary(pieces, slots, tuple(marks))
        vocabulary.refuse_misspelt(parts)
        return vocabulary

    @staticmethod
    def read(tokenizer: str, slots: int, marks: Sequence[str]) -> Vocabulary:
        """From the JSON that `tokenizer.to_str` gives."""
        return Vocabulary(Tokenizer.from_str(tokenizer), slots, tuple(marks))

    def refuse_misspelt(self, parts: Iterable[str]) -> None:
        few = list(islice(dict.fromkeys(parts), PROBED))
        wrong = [(part, told) for part in few if (told := self.decode(self.encode(part))) != part]
        if len(wrong) > MISSPELT * len(few):
            part, told = wrong[0]
            raise UserError(
                f"model.base: its tokenizer turns {part[:60]!r} into {told[:60]!r}, and {len(wrong)} of {len(few)} "
                "texts into others; choose a base that keeps case, accents and spaces, or null"
            )

    @property
    def first_mark(self) -> int:
        return FIRST + self.slots

    @property
    def first_piece(self) -> int:
        return self.first_mark + len(self.marks)

    @property
    def names(self) -> list[str]:
        """What the tokens before the pieces are."""
        return ["pad", "mask", "end", *(f"slot {n}" for n in range(self.slots)), *(f"mark {m}" for m in self.marks)]

    def __len__(self) -> int:
        return self.first_piece + int(self.tokenizer.get_vocab_size())

    def mark(self, name: str) -> int:
        """The token of a mark."""
        return self.first_mark + self.marks.index(name)

    def encode(self, text: str) -> list[int]:
        """The tokens of a text with slots, without END."""
        found: list[int] = []
        for part in _split(text):
            found.extend([FIRST + part] if isinstance(part, int) else self._pieces(part))
        return found

    def _pieces(self, text: str) -> tuple[int, ...]:
        if text not in self.known:
            if len(self.known) > 200_000:
                self.known.clear()
            first = self.first_piece
            self.known[text] = tuple(first + i for i in self.tokenizer.encode(text, add_special_tokens=False).ids)
        return self.known[text]

    def decode(self, ids: Sequence[int], values: Sequence[Value] = (), side: int = 0, zero: str = "0") -> str:
        """The text up to END, its slots filled; slots without a value, marks, PAD and MASK are left out."""
        parts: list[str] = []
        pieces: list[int] = []
        for token in ids:
            if token >= self.first_piece:
                pieces.append(token - self.first_piece)
                continue
            if token == END:
                break
            if FIRST <= token < self.first_mark and token - FIRST < len(values):
                parts += [self._spell(pieces), spell(values[token - FIRST], side, zero)]
                pieces = []
        return "".join([*parts, self._spell(pieces)])

    def _spell(self, pieces: list[int]) -> str:
        return self.tokenizer.decode(pieces, skip_special_tokens=False) if pieces else ""


def train_pieces(texts: Iterable[str], size: int) -> Tokenizer:
    """At most `size` pieces, the 256 bytes among them; digits are pieces by themselves."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=max(size, 256), min_frequency=2, show_progress=False, initial_alphabet=alphabet
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _split(text: str) -> list[str | int]:
    """Texts and slot numbers, in order; doubled brackets are single ones again."""
    parts: list[str | int] = []
    last, plain = 0, ""
    for match in SLOT.finditer(text):
        plain += text[last : match.start()]
        last = match.end()
        if match[1] is None:
            plain += match[0][0]
            continue
        parts += [plain, int(match[1])] if plain else [int(match[1])]
        plain = ""
    plain += text[last:]
    return [*parts, plain] if plain else parts
