"""Reference range decoder, written from docs/format.md, section "The range coder"."""

from __future__ import annotations

STEP = [65536 * 2 // (2 * n + 3) for n in range(127)]


class Decoder:
    """A range decoder over bytes; beyond their end it reads zeros."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 6
        self.code = int.from_bytes(data[:6].ljust(6, b"\0"), "big")
        self.width = 1 << 48

    def enter(self, start: int, width: int) -> None:
        """Narrow the interval to `width` from `start` on."""
        self.code -= start
        self.width = width
        while self.width < 1 << 40:
            self.width <<= 8
            byte = self.data[self.place] if self.place < len(self.data) else 0
            # A damaged stream may leave the interval: arithmetic is modulo 2**64.
            self.code = (self.code << 8 | byte) & ((1 << 64) - 1)
            self.place += 1

    def decision(self, probability: int) -> int:
        """A decision whose zero has `probability` in 1/65536."""
        zero = (self.width >> 16) * probability
        if self.code < zero:
            self.enter(0, zero)
            return 0
        self.enter(zero, self.width - zero)
        return 1

    def target(self, total: int) -> int:
        return min(self.code // (self.width // total), total - 1)

    def symbol(self, start: int, size: int, total: int) -> None:
        part = self.width // total
        self.enter(part * start, part * size)

    def raw(self, bits: int) -> int:
        value = self.target(1 << bits)
        self.symbol(value, 1, 1 << bits)
        return value

    def bit(self, contexts: Contexts, context: int) -> int:
        """A decision in an adaptive context."""
        probability, seen = contexts.states[context]
        bit = self.decision(probability)
        goal = 32 if bit else 65504
        contexts.states[context] = (
            probability + ((goal - probability) * STEP[seen] >> 16), min(seen + 1, 126)
        )  # fmt: skip
        return bit

    def tree(self, contexts: Contexts, base: int, bits: int) -> int:
        node = 1
        for _ in range(bits):
            node = node << 1 | self.bit(contexts, base + node)
        return node - (1 << bits)

    def number(self, contexts: Contexts, base: int) -> int:
        length = 0
        while length < 32 and self.bit(contexts, base + min(length, 31)):
            length += 1
        value = 1
        for place in range(length):
            first = place == 0
            bit = self.bit(contexts, base + 32 + min(length, 31)) if first else self.raw(1)
            value = value << 1 | bit
        return value - 1

    def signed(self, contexts: Contexts, base: int) -> int:
        value = self.number(contexts, base + 1)
        return -value if value and self.bit(contexts, base) else value


class Contexts:
    """Adaptive contexts: the probability of a zero in 1/65536, and the decisions seen."""

    def __init__(self, count: int) -> None:
        self.states = [(1 << 15, 0)] * count
