"""Lugha / Language: for strangers and members alike."""

from __future__ import annotations

from dataclasses import replace

from ussd_menus.ports import World
from ussd_menus.screens import ROOT, Menu, Option, Screen
from ussd_menus.session import Session


def _choose(language: str) -> Option:
    def do(world: World, session: Session) -> Session:
        if session.caller is None:
            return replace(session.go("welcome"), language=language)
        world.set_language(session.caller, language)
        caller = replace(session.caller, language=language)
        return replace(session.go("home"), language=language, caller=caller)

    return Option(f"language.{language}", "home", do=do)


SCREENS: tuple[Screen, ...] = (Menu("language", (_choose("en"), _choose("sw")), back=ROOT),)
