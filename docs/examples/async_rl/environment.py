"""What the policy learns: it is given three digits, and says them backwards, one a turn. After each turn it hears whether that
was right. A turn takes as long as a tool or a simulator would: some ten milliseconds, and now and then many.
"""

import asyncio
import random

DIGITS = 10
TURNS = 3
TURN_S = 0.05


class Reverse:
    """One episode. seed: of its digits and of how long its turns take."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.prompt = [self._random.randrange(DIGITS) for _ in range(TURNS)]
        self.said: list[int] = []
        self.messages = [{"role": "user", "content": f"Say {' '.join(map(str, self.prompt))} backwards."}]

    async def turn(self, digit: int) -> float:
        """Say a digit; returns its reward, 1 or 0."""
        await asyncio.sleep(self._random.expovariate(1 / TURN_S))
        right = digit == self.prompt[TURNS - 1 - len(self.said)]
        self.said.append(digit)
        self.messages += [
            {"role": "assistant", "content": str(digit)},
            {"role": "tool", "name": "judge", "content": "right" if right else "wrong"},
        ]
        return float(right)
