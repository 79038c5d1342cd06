"""The room that speaks with Stripe; see `client.py` for how."""

from billing_core.gateway.client import API_VERSION, Gateway, Page, Written, open_gateway
from billing_core.gateway.faults import CardRefusedError, MissingError
from billing_core.gateway.shapes import UnknownShapeError

__all__ = [
    "API_VERSION",
    "CardRefusedError",
    "Gateway",
    "MissingError",
    "Page",
    "UnknownShapeError",
    "Written",
    "open_gateway",
]
