"""The floor under a hop: bare Flask with one Redis GET and one SETEX through redis-py, answering a menu."""

from __future__ import annotations

import os

import redis
from flask import Flask, request

app = Flask(__name__)
client = redis.Redis.from_url(os.environ["REDIS_URL"])
PAGE = "CON Mlango: Jane\n1 Send money\n2 Deposit\n3 Withdraw\n4 Balance and statement\n5 My account\n0 Exit"


@app.post("/ussd")
def ussd() -> tuple[str, dict[str, str]]:
    key = f"floor:{request.form['sessionId']}"
    client.get(key)
    client.set(key, request.form["text"] or "-", ex=180)
    return PAGE, {"Content-Type": "text/plain"}
