"""OpenSMM: a self-hosted panel that takes, charges, hands on and follows orders for services."""

__version__ = "0.1.0"
