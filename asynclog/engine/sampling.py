"""The machine's numbers, looked at by the recorder every few seconds: the training process only writes the row."""

import logging
import threading
from collections.abc import Callable

from asynclog.engine.machine import Machine
from asynclog.engine.nvidia import Gpus
from asynclog.link.messages import Message, Sample, Sampled

_log = logging.getLogger("asynclog")


class Sampling:
    """Of one engine, in a thread of its own: a driver may take its time. send(message): to the training process."""

    def __init__(self, send: Callable[[Message], None]) -> None:
        self._send = send
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, wish: Sample) -> None:
        """Begin, or begin anew with another wish."""
        self.stop()
        if wish.every_s <= 0:
            return
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, args=(wish, self._ended), name="asynclog-system", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join(2.0)
            self._thread = None

    def _sample(self, wish: Sample, ended: threading.Event) -> None:
        try:
            machine, gpus = Machine(wish.pid, wish.directory), Gpus()
            # Rates are told from the second look on.
            machine.look()
            wait = min(1.0, wish.every_s)
            while not ended.wait(wait):
                wait = wish.every_s
                self._send(Sampled(machine.look() | gpus.look()))
            gpus.close()
        except Exception:  # noqa: BLE001 - a gauge that fails must not end the recorder, nor the run
            _log.exception("the machine's numbers can't be read any more")
