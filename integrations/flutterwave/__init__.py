"""Flutterwave: cards by a hosted page, and transfers."""
