"""Flutterwave: cards by a hosted page, and transfers."""

from integrations.flutterwave.client import build
from integrations.flutterwave.simulator import FlutterwaveSimulator
from integrations.rails import Kind

KIND = Kind("flutterwave", build, FlutterwaveSimulator)
