"""The commands of ``flask --app wsgi``: which there are. Each is one file of ``gateway/commands``."""

from __future__ import annotations

from collections.abc import Callable

import click
from flask import Flask

from gateway.commands.alarms import alarms, figures
from gateway.commands.api_key import api_key
from gateway.commands.arrivals import arrivals
from gateway.commands.books import books
from gateway.commands.dial import dial
from gateway.commands.drawings import menus, states
from gateway.commands.freeze import freeze
from gateway.commands.funnel import funnel
from gateway.commands.house_float import house_float
from gateway.commands.payments import payments
from gateway.commands.payouts import payouts
from gateway.commands.rails import rails
from gateway.commands.reconcile import reconcile
from gateway.commands.replay import replay
from gateway.commands.rotate_keys import rotate_keys
from gateway.commands.worker import worker
from gateway.parts import Parts
from gateway.schema_command import init_db_command

COMMANDS: tuple[Callable[[Parts], click.Command], ...] = (
    worker, payments, payouts, arrivals, rails, house_float, reconcile, replay,
    books, alarms, figures, funnel, freeze, api_key, rotate_keys, menus, states, dial,
)  # fmt: skip


def add_commands(app: Flask, parts: Parts) -> None:
    """Give ``app`` every command. ``init-db`` needs no database, so it takes the settings only."""
    app.cli.add_command(init_db_command(parts.settings))
    for make in COMMANDS:
        app.cli.add_command(make(parts))
