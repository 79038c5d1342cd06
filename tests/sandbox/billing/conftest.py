"""A small catalogue and a tenant on a test clock, made through the SDK."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
import stripe


def at(*parts: int) -> int:
    """Return the Unix seconds of a UTC date and time."""
    return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[misc]


@dataclass
class Shop:
    """The SDK with shortcuts: what a test makes over and over, and reading invoices as plain tuples."""

    client: stripe.StripeClient
    make_customer: Callable[..., tuple[str, str]]
    move: Callable[[str, int], None]
    products: dict[str, str] = field(default_factory=dict)

    at = staticmethod(at)

    def product(self, name: str) -> str:
        """Return a product's id, made once per name."""
        if name not in self.products:
            self.products[name] = self.client.v1.products.create({"name": name}).id
        return self.products[name]

    def price(self, amount: int | None = None, *, name: str = "Gold", interval: str = "month", **more: Any) -> str:
        """Make a recurring DKK price; returns its id."""
        recurring = {"interval": interval, **more.pop("recurring", {})}
        given: dict[str, Any] = {"product": self.product(name), "currency": "dkk", "recurring": recurring, **more}
        if amount is not None:
            given["unit_amount"] = amount
        return self.client.v1.prices.create(given).id  # type: ignore[arg-type]

    def meter(self, event_name: str, formula: str = "sum") -> str:
        """Make a meter; returns its id."""
        made = self.client.v1.billing.meters.create(
            {"display_name": event_name, "event_name": event_name, "default_aggregation": {"formula": formula}}  # type: ignore[typeddict-item]
        )
        return made.id

    def metered(self, meter: str, amount: int | None = None, **more: Any) -> str:
        """Make a metered monthly price; returns its id."""
        return self.price(amount, recurring={"usage_type": "metered", "meter": meter}, **more)

    def use(self, customer: str, event_name: str, value: int | str, when: int | None = None, **more: Any) -> None:
        """Report usage."""
        given: dict[str, Any] = {
            "event_name": event_name,
            "payload": {"stripe_customer_id": customer, "value": str(value)},
            **more,
        }
        if when is not None:
            given["timestamp"] = when
        self.client.v1.billing.meter_events.create(given)  # type: ignore[arg-type]

    def subscribe(self, customer: str, *items: dict[str, Any], **more: Any) -> Any:
        """Create a subscription."""
        return self.client.v1.subscriptions.create({"customer": customer, "items": list(items), **more})  # type: ignore[typeddict-item]

    def change(self, subscription: str, **params: Any) -> Any:
        """Update a subscription."""
        return self.client.v1.subscriptions.update(subscription, params)  # type: ignore[arg-type]

    def get(self, subscription: str) -> Any:
        """Read a subscription."""
        return self.client.v1.subscriptions.retrieve(subscription)

    def invoices(self, **params: Any) -> list[Any]:
        """Return all invoices that match, the oldest first."""
        pages = self.client.v1.invoices.list({"limit": 100, **params})  # type: ignore[typeddict-item]
        return list(pages.auto_paging_iter())[::-1]

    def lines(self, invoice: Any) -> list[tuple[str, int]]:
        """Return description and amount of all lines of an invoice or a preview."""
        return [(line.description, line.amount) for line in invoice.lines.auto_paging_iter()]

    def events(self, *types: str) -> list[Any]:
        """Return the events of some types, or all, the oldest first."""
        found = list(self.client.v1.events.list({"limit": 100}).auto_paging_iter())[::-1]
        return [e for e in found if not types or e.type in types]


@pytest.fixture
def shop(
    client: stripe.StripeClient,
    clock_customer: Callable[..., tuple[str, str]],
    advance: Callable[[str, int], None],
) -> Shop:
    """A shop in a fresh sandbox."""
    return Shop(client, clock_customer, advance)
