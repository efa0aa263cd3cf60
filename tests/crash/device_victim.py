"""A training process whose values lie on a fake device, some of which never come: it ends in one way or another meanwhile.

``STEPS`` writes have come. Of the last, only what is beside it on the host is there, and it is not to be seen; a write of the
host alone follows it.
"""

import argparse
import asyncio
import os
import signal
import sys
from typing import Final

import numpy as np

STEPS: Final = 200
IMAGE_EVERY: Final = 20
LAST: Final = 999
SIDE: Final = 700
"""Of images, in pixels: each has a slab of its own."""


def image(step: int) -> np.ndarray:
    return np.full((3, SIDE, SIDE), step % 251, np.uint8)


async def train(options: argparse.Namespace) -> None:
    import asynclog as al
    from asynclog.testing import FakeDevice

    device = FakeDevice()
    log = al.MultiLogger(options.run)
    for step in range(STEPS):
        log.log({"loss": device.array(step * 0.5), "beside": step})
        if step % IMAGE_EVERY == 0:
            log.log_image("frame", device.array(image(step)))
        await log.write(step)
        device.complete()
    async with asyncio.timeout(30):
        while log.statistics()["pending_on_devices"]:
            await asyncio.sleep(0.001)
    log.log({"loss": device.array(1.0), "beside": 1})
    log.log_image("frame", device.array(image(LAST)))
    await log.write(LAST)
    log.log_scalar("after", 1.0)
    await log.write(LAST + 1)
    if options.ending == "fork":
        child = os.fork()
        if not child:
            log.log_scalar("child", device.array(1.0))
            await log.write(LAST + 2)
            await log.aclose()
            os._exit(bool(log.statistics()["state"] != "forked" or device.forgotten))
        assert os.waitpid(child, 0)[1] == 0
        device.complete()
        await log.aclose()
        assert device.wrong == []
        return
    print(log.statistics()["recorder"]["pid"], flush=True)
    if options.ending == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    sys.exit(0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run")
    parser.add_argument("ending", choices=["kill", "exit", "fork"])
    asyncio.run(train(parser.parse_args()))


if __name__ == "__main__":
    main()
