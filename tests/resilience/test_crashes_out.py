"""kill -9 between every two statements of money out: nothing is lost, nothing happens twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.resilience.crash.deaths import a_town, dies_at_every_point
from tests.resilience.crash.scenes import SCENES
from tests.resilience.crash.town import Town


@pytest.fixture(scope="module")
def town(make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with a_town(make_database(), tmp_path_factory.mktemp("town")) as town:
        yield town


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", [name for name in SCENES if name.startswith("withdrawal")])
def test_dying_at_every_point_loses_nothing_and_doubles_nothing(town: Town, name: str) -> None:
    dies_at_every_point(town, name)
