"""A training process that is to be killed: it writes, with a pickled sink, and says after each write how many were accepted.

python victim.py RUN PICKLED_SINK
"""

import asyncio
import pickle
import sys
from pathlib import Path

import numpy as np

import asynclog as al

IMAGE_EVERY = 50


async def main(run: str, sink: Path) -> None:
    route = al.Route(pickle.loads(sink.read_bytes()), name="exam", deadline=50.0)
    async with al.MultiLogger(run, sinks=[route], config={"seed": 1}) as log:
        print(log.statistics()["recorder"]["pid"], flush=True)
        for step in range(1 << 30):
            log.log({"loss": step * 0.5, "count": step})
            if step % IMAGE_EVERY == 0:
                log.log_image("frame", np.full((3, 16, 16), step % 251, np.uint8))
                log.log_string("says", f"step {step}")
            await log.write(step)
            print(step + 1, flush=True)
            await asyncio.sleep(0.002)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
