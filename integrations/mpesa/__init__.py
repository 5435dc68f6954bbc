"""M-Pesa through Safaricom's Daraja."""

from integrations.mpesa.rail import build
from integrations.mpesa.simulator import MpesaSimulator
from integrations.rails import Kind

KIND = Kind("mpesa", build, MpesaSimulator)
