"""An asyncio actor-learner loop that learns to balance a pole."""

from typing import Final

from asynclog.demo.cartpole.report import CartPole

TASK: Final = CartPole
