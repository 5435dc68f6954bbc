"""Structured logs: one JSON object a line on stderr, with ids, and without what must not be read there."""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import Processor

from gateway.masking import mask_event


def configure_logging(*, console: bool | None = None, level: str = "INFO") -> None:
    """Route structlog and the standard library's loggers the same way. May be called again.

    ``console`` asks for coloured lines for a person; ``None`` gives them to a terminal and JSON to everything else.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    _route_standard_library(shared, sys.stderr.isatty() if console is None else console, level)


class _Stderr(logging.Handler):
    """Writes to what stderr is at that moment: a test runner or a daemon replaces and closes it."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(f"{self.format(record)}\n")
            sys.stderr.flush()
        except (OSError, ValueError):
            self.handleError(record)


def _route_standard_library(shared: list[Processor], console: bool, level: str) -> None:
    formatter = structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=_last_steps(console))
    handler = _Stderr()
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in ("procrastinate", "urllib3", "alembic"):  # addresses, job arguments, chatter
        logging.getLogger(name).setLevel(logging.WARNING)


def _last_steps(console: bool) -> list[Processor]:
    """Masking comes last but for the rendering: after tracebacks became text."""
    shown: Processor = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer(default=str)
    return [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        mask_event,
        shown,
    ]


def begin(**ids: str) -> None:
    """From here on every log line of this thread carries these ids and no earlier ones: request_id, session_id."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**ids)


def also(**ids: str) -> None:
    """Every later log line of this thread carries these ids too."""
    structlog.contextvars.bind_contextvars(**ids)
