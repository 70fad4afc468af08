"""Bytes made of valid ones by chance, for where no coverage-guided fuzzer is installed."""

import random
from collections.abc import Iterator, Sequence

LONGEST = 65_536  # bytes
TELLING = (b"\0", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff",
           b"[" * 50, b"{", b'"', b"\\", b"nan", b"1e999", b"-", b"\n", b"\r\n",
           b"\xed\xa0\x80")  # fmt: skip


def mutated(seeds: Sequence[bytes], seed: int) -> Iterator[bytes]:
    """First the seeds themselves, then changes of them without end."""
    rng = random.Random(seed)
    yield from seeds
    pool = list(seeds) or [b""]
    while True:
        content = bytearray(rng.choice(pool))
        for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
            _change(content, rng, pool)
        yield bytes(content[:LONGEST])


def _change(content: bytearray, rng: random.Random, pool: Sequence[bytes]) -> None:
    start = rng.randrange(len(content) + 1)
    end = min(len(content), start + rng.choice((1, 1, 2, 4, 8, 64, 1024)))
    kind = rng.randrange(7)
    if kind == 0 and content:
        content[start % len(content)] ^= 1 << rng.randrange(8)
    elif kind == 1 and content:
        content[start % len(content)] = rng.randrange(256)
    elif kind == 2:
        del content[start:end]
    elif kind == 3:
        content[start:start] = rng.choice(TELLING)
    elif kind == 4:
        content[start:end] = content[start:end] * 2
    elif kind == 5:
        del content[start:]
    else:
        other = rng.choice(pool)
        cut = rng.randrange(len(other) + 1)
        content[start:end] = other[cut : cut + rng.choice((1, 4, 32, 256))]
