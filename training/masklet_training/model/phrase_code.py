"""What a phrase means, beside the vectors of its words: its classes, its colour, and whether the compact detector reads it.

`text` looks a phrase up in a table of nouns, and stores the result in channels of its output that the compact detector does
not use. `detect` reads them there, and needs no table.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..noun_table import LONGEST, UNKNOWN, Lexicon

SEEN, BOXED, COLOURS = 1000, 80, 12  # ImageNet's classes, the box detector's classes, and colours
SIZE = SEEN + BOXED + COLOURS + 2
LENGTH = 16  # L: tokens of a phrase
CHANNELS = -(-SIZE // LENGTH)
BITS = 8


class PhraseCode(NamedTuple):
    """The meaning of C phrases, zeros and ones"""

    seen: Tensor  # [C,1000]
    boxed: Tensor  # [C,80]
    narrow: Tensor  # whether the box detector's classes contain what the phrase names, and more [C,1]
    colour: Tensor  # [C,12], zero without a colour
    drawn: Tensor  # whether the compact detector reads the phrase [C,1]


def pack_code(code: PhraseCode) -> Tensor:
    """→ [C,L,CHANNELS]"""
    flat = torch.cat(tuple(code), 1)
    return F.pad(flat, (0, LENGTH * CHANNELS - SIZE)).unflatten(1, (LENGTH, CHANNELS))


def unpack_code(packed: Tensor) -> PhraseCode:
    """[C,L,CHANNELS] → the meaning"""
    return PhraseCode(*packed.flatten(1)[:, :SIZE].split([SEEN, BOXED, 1, COLOURS, 1], 1))


class NounReader(nn.Module):
    """Words of a phrase → its meaning. The noun is the one that ends last, and of those the longest: of "brown polar
    bear" it is "polar bear", and the rest is "brown".
    """

    def __init__(self, lexicon: Lexicon) -> None:
        super().__init__()
        self.trained = lexicon.trained
        self.cut = lexicon.trained  # the first id after those of the compact detector
        padded = [phrase + (-1,) * (LONGEST - len(phrase)) for phrase in lexicon.phrases]
        self.register_buffer("phrases", torch.tensor(padded, dtype=torch.int32))
        self.register_buffer("lengths", torch.tensor([len(phrase) for phrase in lexicon.phrases], dtype=torch.int32))
        self.register_buffer("pieces", torch.tensor(lexicon.pieces, dtype=torch.float32))
        distinct = {pair: index for index, pair in enumerate(dict.fromkeys(lexicon.classes))}
        self.register_buffer("meaning", torch.tensor([distinct[pair] for pair in lexicon.classes], dtype=torch.int32))
        self.register_buffer("members", pack_bits([(seen, boxed) for seen, boxed, _ in distinct]))
        self.register_buffer("narrow", torch.tensor([narrow for _, _, narrow in distinct], dtype=torch.float32))
        colours = torch.zeros(max(lexicon.colours, default=0) + 1, COLOURS)
        for word, colour in lexicon.colours.items():
            colours[word, colour] = 1.0
        self.register_buffer("colours", colours)
        self.register_buffer("modifiers", torch.tensor(lexicon.modifiers, dtype=torch.int32))

    def read_part(self, ids: Tensor, mask: Tensor) -> Tensor:
        """1 for the words that count [C,L]: those before the first preposition or conjunction, except articles. If these
        contain no noun, as in "black and white dog", conjunctions are ignored
        """
        joins = (ids == self.cut + 1).float()
        ends = (ids == self.cut).float()
        whole = (torch.cumsum(ends, 1) < 0.5).float() * (1.0 - joins) * mask.float() * (ids > 0).float()
        first = whole * (torch.cumsum(joins, 1) < 0.5).float()
        named = (self.find(ids * (first > 0.5).int())[2] > 0).float().unsqueeze(1)
        return first * named + whole * (1.0 - named)

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[PhraseCode, Tensor]:
        """ids int32 [C,L], mask int32 [C,L] → the meaning, and 1 for the words that the compact detector reads [C,L]"""
        part = self.read_part(ids, mask)
        words = ids * (part > 0.5).int()
        noun, start, length = self.find(words)
        found = (length > 0).float().unsqueeze(1)
        meaning = self.meaning[noun].long()
        bits = unpack_bits(self.members[meaning]) * found
        position = torch.arange(ids.shape[1], device=ids.device).unsqueeze(0)
        inside = ((position >= start.unsqueeze(1)) & (position < (start + length).unsqueeze(1))).float()
        outside = part * (1.0 - inside)
        listed = words.clamp(max=self.colours.shape[0] - 1)
        known_colour = (words == listed).float() * outside
        colour = (self.colours[listed.long()] * known_colour.unsqueeze(2)).amax(1)
        spelled = inside * (self.pieces[noun] * found[:, 0]).unsqueeze(1)
        trained = torch.maximum(part * (words < self.trained).float() * (words > UNKNOWN).float(), spelled)
        lone = (words == UNKNOWN).float().amax(1)  # whether there is an unknown word
        modifier = (words.unsqueeze(2) == self.modifiers.view(1, 1, -1)).float().amax(2)
        names = (trained * (1.0 - modifier)).amax(1)
        unfamiliar = (inside * (1.0 - spelled) * (words > self.cut + 1).float()).amax(
            1
        )  # whether the noun has a word that it does not know
        drawn = trained.amax(1) * (1.0 - unfamiliar) * (1.0 - lone * (1.0 - names))
        seen, boxed = bits.split([SEEN, BOXED], 1)
        return PhraseCode(seen, boxed, self.narrow[meaning].unsqueeze(1) * found, colour, drawn.unsqueeze(1)), trained

    def find(self, words: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """words int32 [C,L] → index of the noun [C], its first word [C], and its number of words, 0 for none [C]"""
        length = words.shape[1]
        padded = F.pad(words, (0, LONGEST))
        windows = torch.stack([padded[:, at : at + length] for at in range(LONGEST)], 2)  # [C,L,LONGEST]
        table = self.phrases.view(1, -1, 1, LONGEST)
        equal = ((windows.unsqueeze(1) == table) | (table < 0)).float().amin(3)  # [C,R,L]
        start = torch.arange(length, device=words.device, dtype=torch.float32).view(1, 1, -1)
        size = self.lengths.float().view(1, -1, 1)
        rank = equal * ((start + size) * 2 * LONGEST + size)
        best, at = rank.flatten(1).max(1)
        noun = torch.div(at, length, rounding_mode="floor")
        found = (best > 0).long()
        return noun * found, at - noun * length, self.lengths[noun].long() * found


def pack_bits(meanings: list[tuple[tuple[int, ...], tuple[int, ...]]]) -> Tensor:
    """Classes of each meaning, as indices → uint8 [G,(1000+80)/8]"""
    table = torch.zeros(len(meanings), SEEN + BOXED, dtype=torch.uint8)
    for row, (seen, boxed) in enumerate(meanings):
        table[row, [*seen, *(SEEN + index for index in boxed)]] = 1
    weights = 2 ** torch.arange(BITS, dtype=torch.uint8)
    return (table.unflatten(1, (-1, BITS)) * weights).sum(2).to(torch.uint8)


def unpack_bits(packed: Tensor) -> Tensor:
    """uint8 [C,n] → zeros and ones [C,8·n]"""
    weights = 2.0 ** torch.arange(BITS, device=packed.device)
    shifted = torch.floor(packed.float().unsqueeze(2) / weights)
    return (shifted - 2.0 * torch.floor(shifted / 2.0)).flatten(1)
