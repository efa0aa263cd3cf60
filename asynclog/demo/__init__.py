"""The main job: a real training on asyncio that is recorded while it learns, read back, shown and drawn.

`session.run` is all of it. Each task has a folder of its own, which says what is trained and how it tells of it; what
the tasks share lies beside them. Needs the extra `demo` (gymnasium, pygame, scikit-learn, torch, Pillow, rich), and so
nothing is imported here.
"""

from typing import Final

TASKS: Final = ("cartpole", "digits")
