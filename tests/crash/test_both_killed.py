"""Both processes die at once, as with a container or a machine: what is lost is the last moment before."""

import random

import pytest

from tests.crash.findings import findings
from tests.crash.kills import kill_both
from tests.crash.scene import Scene

pytestmark = pytest.mark.crash


@pytest.mark.parametrize("seed", range(3))
def test_only_what_is_younger_than_linger_is_lost(scene: Scene, seed: int) -> None:
    """Rows wait in memory for linger at the most; everything older is in the journal, without a hole."""
    assert kill_both(scene, random.Random(seed)).complaints == []


def test_a_restart_delivers_what_the_sinks_had_not_seen(scene: Scene) -> None:
    """The journal has more than the sinks had when both died: the next recorder goes on at their cursors."""
    first = kill_both(scene, random.Random(7))
    again = scene.start()
    again.accepts(5_000)
    again.stop()
    found = findings(scene, "finished", surely={0: first.read, 1: again.rows})
    assert found.complaints == []


def test_a_sink_that_had_nothing_yet_gets_all_of_it_after_a_restart(scene: Scene) -> None:
    """Its file can't be made in the first life; what the journal held of that life is owed to it in the second."""
    scene.run.mkdir()
    (scene.run / "rows.csv").mkdir()
    first = scene.start("--deadline", "0.5")
    first.accepts(5_000)
    first.kill()
    assert scene.wait_until_empty() == []
    (scene.run / "rows.csv").rmdir()
    again = scene.start()
    again.accepts(5_000)
    again.stop()
    assert findings(scene, "finished").complaints == []
