"""What shows a value, or counts it, is done elsewhere: the process that logs doesn't even load it."""

from pathlib import Path

import asynclog as al
from tests.integration.scripts import run

LOGGED = """
async def main():
    async with al.MultiLogger(path) as log:
        log.log_image("image", np.ones((512, 512, 3), np.float32))
        log.log_labeled_images("images", [(np.ones((8, 8)), "label")] * 4)
        log.log_video("video", np.ones((16, 3, 128, 128), np.float16))
        log.log_histogram("histogram", np.arange(1_000_000, dtype=np.float32))
        log.log_point_cloud("cloud", np.ones((1_000_000, 3), np.float32))
        log.log_spectrogram("sound", np.ones(16_000, np.float32), sample_rate=16_000)
        await log.write(0)

asyncio.run(main())
makers = ("asynclog.normal.histogram", "asynclog.normal.draw", "asynclog.engine.frames", "PIL")
print(sorted(name for name in makers if name in sys.modules))
"""


def test_neither_counting_nor_drawing_is_loaded_where_values_are_logged(tmp_path: Path) -> None:
    done = run(LOGGED, tmp_path / "run")
    assert done.stdout.strip() == "[]", done.stderr
    found = {event.key: event.value for event in al.read(tmp_path / "run").events()}
    assert found["histogram"].count == 1_000_000
    assert found["image"].canonical().shape == (3, 250, 250)
    assert len(found["cloud"].canonical().xyz) == 1000
