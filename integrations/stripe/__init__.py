"""Stripe: cards by a Checkout Session."""

from integrations.rails import Kind
from integrations.stripe.client import build
from integrations.stripe.simulator import StripeSimulator

KIND = Kind("stripe", build, StripeSimulator)
