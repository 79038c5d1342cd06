"""The running platform and the back office of the demo company: sign-ups, the nightly unit sync, the recount of closed
periods in the draft's hour, payments by bank.

Unit sync: every day at 05:00 UTC. Metered: the running peak of the period, when it changed or nothing was reported yet.
Licensed: the count of today as absolute quantity, prorated. Now and then a tenant is missed for a night. Ten minutes
after a period's end the peak of the closed period is compared with what was reported last and sent if it differs,
stamped inside the closed period.
"""

from __future__ import annotations

from typing import Any

from billing_core.sandbox.demo.cast import Tenant
from billing_core.sandbox.demo.catalogue import EVENT_NAME, Catalogue
from billing_core.sandbox.demo.faults import FaultList
from billing_core.sandbox.demo.stage import DAY, HOUR, Stage, at_local, day_of
from billing_core.sandbox.state import Obj

SYNC_HOUR = 5
RECOUNT_SECONDS = 600
MISSED = 0.02
GONE = ("canceled", "incomplete_expired")
CARDS = {
    "DK": ("pm_card_dk", "pm_card_dk", "pm_card_dk", "pm_card_mastercard"),
    "SE": ("pm_card_se",),
    "DE": ("pm_card_de",),
}


class Platform:
    """What the company's own systems and people do, for all tenants."""

    def __init__(self, stage: Stage, catalogue: Catalogue, tenants: list[Tenant]) -> None:
        self.stage = stage
        self.catalogue = catalogue
        self.tenants = tenants
        self.faults = FaultList()
        self._by_customer: dict[str, Tenant] = {}
        self._recounts: set[tuple[str, int]] = set()
        # When a terms invoice is paid by bank, in days after its due date; None never. By customer, else drawn.
        self.bank_habits: dict[str, Any] = {}
        stage.on("invoice.finalized", self._expect_bank_payment)
        stage.on("invoice.created", self._watch_cycle)

    # --- signing up --------------------------------------------------------------------------------------------------

    def create_customer(self, tenant: Tenant, payment_method: str | None = "") -> str:
        """Create a tenant's customer, with a card when it pays by card (or the one named, None for none)."""
        company, params = tenant.company, {}
        if payment_method == "":
            payment_method = tenant.rng.choice(CARDS[company.country]) if tenant.part.pays == "card" else None
        if payment_method:
            params["payment_method"] = payment_method
        settings: Obj = {"default_payment_method": payment_method} if payment_method else {}
        fields = [{"name": n, "value": v} for n, v in (("EAN", company.ean), ("Ordre", company.order_reference)) if v]
        if fields:
            settings["custom_fields"] = fields
        metadata = {
            "tenant_id": tenant.tenant_id,
            "cvr": company.cvr,
            "ean": company.ean,
            "order_reference": company.order_reference,
        }
        made = self.stage.call(
            "POST",
            "customers",
            name=company.name,
            email=company.email,
            address={
                "line1": company.street,
                "postal_code": company.postal_code,
                "city": company.city,
                "country": company.country,
            },
            preferred_locales=["da" if company.country == "DK" else "en"],
            tax_exempt="none" if company.country == "DK" else "reverse",
            tax_id_data=[{"type": "eu_vat", "value": company.vat_id}],
            metadata={k: v for k, v in metadata.items() if v},
            invoice_settings=settings or None,
            **params,
        )
        tenant.customer = made["id"]
        self._by_customer[tenant.customer] = tenant
        return tenant.customer

    def items(self, tenant: Tenant, pricing: str | None = None) -> list[Obj]:
        """Return the items of a tenant's subscription at today's count."""
        prices, currency = self.catalogue.prices, tenant.currency
        role = pricing or tenant.part.pricing
        if role == "metered":
            return [{"price": prices["flat", currency]}, {"price": prices["unit", currency]}]
        return [{"price": prices[role, currency], "quantity": tenant.counts.on(self.stage.today)}]

    def subscribe(self, tenant: Tenant, **params: Any) -> Obj:
        """Start a tenant's subscription now; terms customers are billed on the first of the month."""
        terms: Obj = {}
        if tenant.part.pays != "card":
            terms = {"collection_method": "send_invoice", "days_until_due": int(tenant.part.pays.removeprefix("terms"))}
            if tenant.part.pricing != "annual":
                terms["billing_cycle_anchor_config"] = {"day_of_month": 1, "hour": 0, "minute": 0, "second": 0}
        given = {
            "customer": tenant.customer,
            "items": self.items(tenant),
            "default_tax_rates": [self.catalogue.moms],
            "metadata": {"tenant_id": tenant.tenant_id},
            **terms,
            **params,
        }
        if tenant.part.coupon:
            given["discounts"] = [{"coupon": self.catalogue.coupons[tenant.part.coupon]}]
        made = self.stage.call("POST", "subscriptions", **given)
        tenant.subscription = made["id"]
        return made

    # --- unit sync ---------------------------------------------------------------------------------------------------

    def start_syncing(self) -> None:
        """Put the nightly sync on the list, up to the night before the history ends."""
        day = day_of(self.stage.begins)
        when = at_local(day) // DAY * DAY + SYNC_HOUR * HOUR
        while when < self.stage.ends - 12 * HOUR:
            self.stage.at(when, self.sync_all)
            when += DAY

    def sync_all(self) -> None:
        """One night's sync of everybody."""
        for tenant in self.tenants:
            if tenant.subscription and tenant.is_synced and tenant.rng.random() >= MISSED:
                self.sync(tenant)

    def sync(self, tenant: Tenant) -> None:
        """Report or set what a tenant's units are now."""
        state = self.stage.ctx.state
        subscription = state.get("subscription", tenant.subscription)
        if not subscription or subscription["status"] in (*GONE, "paused"):
            return
        for item in state.where("subscription_item", "subscription", tenant.subscription):
            price = state.get("price", item["price"]) or {}
            if price.get("metadata", {}).get("role") == "unit":
                self._report_running_peak(tenant, item)
            elif price.get("metadata", {}).get("role") != "flat":
                self._set_quantity(tenant, item)

    def _set_quantity(self, tenant: Tenant, item: Obj) -> None:
        count = tenant.counts.on(self.stage.today)
        if count != item["quantity"]:
            self.stage.call(
                "POST", f"subscription_items/{item['id']}", quantity=count, proration_behavior="create_prorations"
            )

    def _report_running_peak(self, tenant: Tenant, item: Obj) -> None:
        start, end = item["current_period_start"], item["current_period_end"]
        if start in tenant.mute_periods or self.stage.now >= end - HOUR:
            return
        first, last = day_of(start), day_of(end)
        peak = tenant.counts.peak(first, min(day_of(self.stage.now + DAY), last))
        self._watch(tenant, item)
        if tenant.reported.get((item["id"], start)) != peak:
            self.report(tenant, item["id"], start, tenant.false_values.get(start, peak), self.stage.now, counted=peak)

    def report(
        self, tenant: Tenant, item_id: str, start: int, value: int, stamp: int, *, counted: int | None = None
    ) -> None:
        """Send a meter event and remember what was said."""
        key = (item_id, start)
        tenant.revisions[key] = tenant.revisions.get(key, 0) + 1
        self.stage.call(
            "POST",
            "billing/meter_events",
            event_name=EVENT_NAME,
            payload={"stripe_customer_id": tenant.customer, "value": str(value)},
            timestamp=stamp,
            identifier=f"units:{item_id}:{start}:{tenant.revisions[key]}",
        )
        tenant.reported[key] = value if counted is None else counted

    def _watch(self, tenant: Tenant, item: Obj) -> None:
        """Put the recount of a period on the list, once."""
        start, end = item["current_period_start"], item["current_period_end"]
        if (item["id"], end) in self._recounts:
            return
        self._recounts.add((item["id"], end))
        self.stage.at(end + RECOUNT_SECONDS, lambda: self._recount(tenant, item["id"], start, end))

    def _watch_cycle(self, invoice: Obj) -> None:
        tenant = self._by_customer.get(invoice["customer"])
        if tenant and invoice["billing_reason"] in ("subscription_create", "subscription_cycle"):
            state = self.stage.ctx.state
            for item in state.where("subscription_item", "subscription", tenant.subscription):
                price = state.get("price", item["price"]) or {}
                if price.get("metadata", {}).get("role") == "unit":
                    self._watch(tenant, item)

    def _recount(self, tenant: Tenant, item_id: str, start: int, end: int) -> None:
        if start in tenant.mute_periods or not tenant.is_synced:
            return
        item = self.stage.ctx.state.get("subscription_item", item_id)
        subscription = self.stage.ctx.state.get("subscription", item["subscription"]) if item else None
        if subscription is None or (subscription["ended_at"] or end) < end:
            return
        final = tenant.counts.peak(day_of(start), day_of(end))
        if tenant.reported.get((item_id, start)) != final:
            self.report(tenant, item_id, start, tenant.false_values.get(start, final), end - 60, counted=final)
        if item and subscription["status"] not in GONE:
            self._watch(tenant, item)

    # --- money by bank -----------------------------------------------------------------------------------------------

    def _expect_bank_payment(self, invoice: Obj) -> None:
        tenant = self._by_customer.get(invoice["customer"])
        if not tenant or invoice["collection_method"] != "send_invoice" or not invoice["due_date"]:
            return
        if tenant.customer in self.bank_habits:
            late_days = self.bank_habits[tenant.customer](invoice)
        else:
            chance = tenant.rng.random()
            late_days = tenant.rng.randint(-6, 0) if chance < 0.8 else tenant.rng.randint(1, 12)
        if late_days is not None:
            # Banks book on working days, in the morning.
            when = invoice["due_date"] + late_days * DAY
            day = day_of(when)
            when = at_local(day, 8, tenant.rng.randint(0, 59)) + max(0, day.weekday() - 4) * DAY
            self.stage.at(max(when, self.stage.now + HOUR), lambda: self.book_bank_payment(tenant, invoice["id"]))

    def book_bank_payment(self, tenant: Tenant, invoice_id: str) -> None:
        """Mark an open invoice paid outside Stripe, with the bank's reference."""
        invoice = self.stage.ctx.state.get("invoice", invoice_id)
        if not invoice or invoice["status"] != "open" or invoice["amount_remaining"] <= 0:
            return
        reference = f"FI71-{tenant.rng.randint(10**9, 10**10 - 1)}"
        self.stage.call("POST", f"invoices/{invoice_id}", metadata={"bank_reference": reference})
        self.stage.call("POST", f"invoices/{invoice_id}/pay", paid_out_of_band=True)

    # --- shortcuts for stories ---------------------------------------------------------------------------------------

    def subscription(self, tenant: Tenant) -> Obj | None:
        """Return a tenant's subscription if it is still alive."""
        found = self.stage.ctx.state.get("subscription", tenant.subscription)
        return found if found and found["status"] not in GONE else None

    def period_end(self, tenant: Tenant) -> int | None:
        """Return when the current period of a tenant's first item ends."""
        if self.subscription(tenant) is None:
            return None
        items = self.stage.ctx.state.where("subscription_item", "subscription", tenant.subscription)
        return int(items[0]["current_period_end"]) if items else None

    def invoices(self, tenant: Tenant, status: str) -> list[Obj]:
        """Return a tenant's invoices in a status, the oldest first."""
        found = self.stage.ctx.state.where("invoice", "customer", tenant.customer)
        return [i for i in found if i["status"] == status]

    def use_card(self, tenant: Tenant, name: str) -> None:
        """Make a (test) card the customer's default."""
        attached = self.stage.call("POST", f"payment_methods/{name}/attach", customer=tenant.customer)
        self.stage.call(
            "POST", f"customers/{tenant.customer}", invoice_settings={"default_payment_method": attached["id"]}
        )

    def payment_of(self, invoice: Obj) -> str | None:
        """Return the payment intent that paid an invoice, if a card did."""
        for payment in self.stage.ctx.state.where("invoice_payment", "invoice", invoice["id"]):
            intent = payment["payment"].get("payment_intent")
            if payment["status"] == "paid" and intent:
                return str(intent)
        return None
