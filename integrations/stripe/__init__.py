"""Stripe: cards by a Checkout Session."""
