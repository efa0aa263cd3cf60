"""A layout of the custom scalars' dashboard: which tags share a chart.

Source: tensorboard.plugins.custom_scalar.layout.proto.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from asynclog.errors import InvalidConfiguration
from asynclog.sinks.tensorboard.protobuf import part, parts
from asynclog.sinks.tensorboard.summaries import Shown, event_record, strings, summary_value

Layout = Mapping[str, Mapping[str, Sequence[Any]]]
_TAG: Final = "custom_scalars__config__"
_A_BAND: Final = 3
_EXPECTED: Final = '{"category": {"chart": ["Multiline", ["pattern", …]] or ["Margin", ["value", "lower", "upper"]]}}'


def layout_record(layout: Layout, time: float) -> bytes:
    """The event that holds a layout. Raises InvalidConfiguration for what is none."""
    categories = [
        part(1, title) + parts(2, [_chart(name, chart) for name, chart in charts.items()]) for title, charts in layout.items()
    ]
    shown = Shown("layout", "custom_scalars", strings([parts(2, categories)]))
    return event_record(time, 0, [summary_value(_TAG, _TAG, shown)])


def _chart(title: str, chart: Sequence[Any]) -> bytes:
    match chart:
        case ["Multiline", [*patterns]] if patterns and all(isinstance(one, str) for one in patterns):
            return part(1, title) + part(2, parts(1, patterns))
        case ["Margin", [*tags]] if tags and len(tags) % _A_BAND == 0 and all(isinstance(one, str) for one in tags):
            bands = [tags[at : at + _A_BAND] for at in range(0, len(tags), _A_BAND)]
            series = [b"".join(part(field, tag) for field, tag in enumerate(band, 1)) for band in bands]
            return part(1, title) + part(3, parts(1, series))
    raise InvalidConfiguration(f"TensorBoard: a layout is {_EXPECTED}, and the chart {title!r} is {chart!r}")
