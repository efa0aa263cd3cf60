"""The meta of a value, as it stands in its EVENT frame. Where all but the step is as it was, all but the step is packed
already: a loop says the same of the same keys again and again.
"""

from typing import Any, Final

from asynclog.logger.copying import Snapshot
from asynclog.state import State
from asynclog.wire.event import event_meta
from asynclog.wire.frame import pack_around, pack_meta, pack_whole

_MOST: Final = 64


def packed_meta(snapshot: Snapshot, state: State) -> bytes:
    """The meta map of a snapshot at a state, packed."""
    precedent, context = snapshot.precedent, state._context
    if precedent is None or not context.plain:
        return pack_meta(_meta(snapshot, state))
    place = (snapshot.logged.namespace, snapshot.logged.key, snapshot.due, context)
    around = precedent.metas.get(place)
    if around is None:
        if len(precedent.metas) >= _MOST:
            precedent.metas.clear()
        around = precedent.metas[place] = pack_around(_meta(snapshot, state), "step")
    before, after = around
    return b"".join((before, pack_whole(state.step), after))


def _meta(snapshot: Snapshot, state: State) -> dict[str, Any]:
    logged = snapshot.logged
    return event_meta(
        kind=logged.kind,
        phase=state.phase,
        namespace=logged.namespace,
        key=logged.key,
        step=state.step,
        epoch=state.epoch,
        level=state.level,
        elapsed_s=state.elapsed_s,
        axes=state.axes,
        due=snapshot.due,
        params=snapshot.params,
        arrays=snapshot.specs,
    )
