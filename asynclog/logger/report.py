"""What a logger knows about itself: counters of this process, and those its consumers last reported."""

import time
from typing import Any

from asynclog.logger.core import Core
from asynclog.logger.lifecycle import Lifecycle


def statistics(core: Core, lifecycle: Lifecycle) -> dict[str, Any]:
    """See MultiLogger.statistics."""
    producer = core.producer
    with producer.lock:
        core.loans.sweep()
        counts = producer.counts
        unseen = counts.skipped
        routes: dict[str, dict[str, Any]] = {}
        as_of = 0
        for link in producer.links.values():
            as_of = max(as_of, link.report_ns)
            routes.update({name: dict(one) for name, one in link.report.get("routes", {}).items()})
        routes.update({one.route.name: one.statistics() for one in lifecycle.local_runners})
        for one in routes.values():
            # What was never evaluated was offered to every route, and due for none.
            one["offered"] += unseen
            one["not_due"] += unseen
        recorder = lifecycle.recorder_report()
        attached = recorder.pop("attached", [])
        return {
            "accepted": counts.accepted + producer.blocks.rows_beyond(),
            "skipped": counts.skipped,
            "invalid": counts.invalid,
            "cancelled": counts.cancelled,
            "discarded": counts.discarded,
            "pending_on_devices": core.devices.pending,
            "state": core.state,
            "now_ns": time.time_ns(),
            "as_of_ns": as_of,
            "recorder": recorder,
            "slabs": {**producer.stock_report(), **core.loans.statistics()},
            "routes": routes,
            "attached": attached,
        }
