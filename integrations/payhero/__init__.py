"""PayHero Kenya: a paybill service over M-Pesa."""

from integrations.payhero.client import build
from integrations.payhero.simulator import PayHeroSimulator
from integrations.rails import Kind

KIND = Kind("payhero", build, PayHeroSimulator.on)
