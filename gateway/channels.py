"""Who handles what comes by each channel of each rail."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway.inbox import source_of
from gateway.services.callbacks import Handler, InTurn
from integrations.protocols import About, Channel, Rail

#: Makes the handler of one rail's channel.
MakesHandler = Callable[[str, Channel], Handler]


def channel_handlers(rails: Mapping[str, Rail], by_about: Mapping[About, MakesHandler]) -> dict[str, Handler]:
    """Handlers by source; what a channel cannot read goes to the one it names (``Channel.passes_to``)."""
    channels = {source_of(rail.name, channel): (rail, channel) for rail in rails.values() for channel in rail.channels}
    made = {source: by_about[channel.about](rail.name, channel) for source, (rail, channel) in channels.items()}
    passed = {
        source: InTurn(made[source], made[f"{rail.name}.{channel.passes_to}"])
        for source, (rail, channel) in channels.items()
        if channel.passes_to
    }
    return made | passed
