"""When a failed batch is tried again."""

import pytest

from asynclog.errors import SinkRejected, SinkUnavailable
from asynclog.flow.retry import BATCHES, LONGEST_DELAY_S, TRIES, Retry, Verdict

AGAIN, REJECT, STOP = Verdict.AGAIN, Verdict.REJECT, Verdict.STOP
OK = None
BAD = ValueError("no")
SPOILED = [(BAD, AGAIN), (BAD, AGAIN), (BAD, REJECT)]
HISTORIES: dict[str, list[tuple[BaseException | None, Verdict | None]]] = {
    "unavailable is tried for ever": [(SinkUnavailable(), AGAIN)] * 50,
    "so is the operating system": [(OSError(), AGAIN), (TimeoutError(), AGAIN), (ConnectionResetError(), AGAIN)] * 5,
    "rejected at once, and the sink is no worse for it": [(SinkRejected(), REJECT)] * 10,
    "three tries, then the next batch has three of its own": [*SPOILED, (BAD, AGAIN)],
    "even for sys.exit": [(SystemExit(), AGAIN), (KeyboardInterrupt(), AGAIN), (SystemExit(), REJECT)],
    "three spoiled batches stop the sink": [*SPOILED, *SPOILED, (BAD, AGAIN), (BAD, AGAIN), (BAD, STOP)],
    "a success between forgives": [*SPOILED, (OK, None)] * 5,
    "an outage between uses up no try": [(BAD, AGAIN), (OSError(), AGAIN), (BAD, AGAIN), (BAD, REJECT)],
}


@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES)
def test_a_history(history: list[tuple[BaseException | None, Verdict | None]]) -> None:
    retry = Retry()
    for error, verdict in history:
        if error is None:
            retry.succeeded()
        else:
            assert retry.failed(error) is verdict


def test_the_delay_doubles_up_to_a_limit_and_starts_over_after_a_success() -> None:
    retry = Retry()
    delays = []
    for _ in range(12):
        retry.failed(OSError())
        delays.append(retry.delay_s)
    assert delays[:4] == [0.05, 0.1, 0.2, 0.4]
    assert delays[-1] == LONGEST_DELAY_S
    retry.succeeded()
    retry.failed(OSError())
    assert retry.delay_s == 0.05
    retry.failed(SinkRejected())
    assert retry.delay_s == 0.0


def test_the_numbers_are_those_of_the_documentation() -> None:
    assert (TRIES, BATCHES) == (3, 3)
