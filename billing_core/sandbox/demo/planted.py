"""How the planted faults come about: each as it would in life, and written down when it has.

A fault about a closed period is planted some eighty days before the history ends, so that the period is closed and
invoiced, and still young. A history that is too short for it does not have it, and does not list it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from billing_core.sandbox.demo.cast import Tenant
from billing_core.sandbox.demo.platform import Platform
from billing_core.sandbox.demo.stage import DAY, HOUR, Stage, day_of
from billing_core.sandbox.demo.stories import at_share, before_renewal, ordinary, story
from billing_core.sandbox.demo.units import Occupancy
from billing_core.sandbox.state import Obj

ORPHAN_UNITS = 6
TYPING_ERROR = 7
SHORT_REPORT = 5
LATE_UNITS = 3


def role_of(stage: Stage, item: Obj) -> str:
    """Return the role of an item's price: flat, unit, licensed, …"""
    return str((stage.ctx.state.get("price", item["price"]) or {}).get("metadata", {}).get("role"))


def item_of(platform: Platform, tenant: Tenant, role: str) -> Obj | None:
    """Return the item of a tenant's live subscription with a price of a role."""
    if platform.subscription(tenant) is None:
        return None
    items = platform.stage.ctx.state.where("subscription_item", "subscription", tenant.subscription)
    return next((i for i in items if role_of(platform.stage, i) == role), None)


def billed(platform: Platform, subscription: str, role: str) -> list[tuple[Obj, Obj]]:
    """Return finalized invoices with their lines of a role for a subscription, the oldest first."""
    state = platform.stage.ctx.state
    prices = {p["id"] for p in state.all("price") if p["metadata"].get("role") == role}
    found = []
    for invoice in state.where("invoice", "_subscription", subscription):
        if invoice["status"] in ("draft", "void"):
            continue
        for line in state.where("line_item", "invoice", invoice["id"]):
            details = (line.get("pricing") or {}).get("price_details") or {}
            if details.get("price") in prices:
                found.append((invoice, line))
    return found


def _before_end(platform: Platform, days: int, action: Callable[[], None]) -> None:
    platform.stage.at(max(platform.stage.ends - days * DAY, platform.stage.now + DAY), action)


def _at_the_end(platform: Platform, action: Callable[[], None]) -> None:
    platform.stage.at(platform.stage.ends - 1, action)


def _next_period(platform: Platform, tenant: Tenant, action: Callable[[Obj], None], *, days: int = 80) -> None:
    """Let `action(item)` happen a day into the metered period that begins next, so many days before the end."""

    def wait() -> None:
        item = item_of(platform, tenant, "unit")
        if item:
            tenant.mute_periods.add(item["current_period_end"])
            platform.stage.at(item["current_period_end"] + DAY, begun)

    def begun() -> None:
        item = item_of(platform, tenant, "unit")
        if item:
            action(item)

    _before_end(platform, days, wait)


def _write_down_period(platform: Platform, tenant: Tenant, kind: str, note: str, start: int, end: int) -> None:
    """Write down a closed metered period with what it should have billed and what it did."""
    expected = tenant.counts.peak(day_of(start), day_of(end))
    for invoice, line in billed(platform, tenant.subscription, "unit"):
        if line["period"]["start"] == start:
            units = int(line["quantity"])
            platform.faults.add(
                kind,
                tenant,
                note,
                invoice_id=invoice["id"],
                period_start=start,
                period_end=end,
                expected_units=expected,
                billed_units=units,
                amount_minor=(expected - units) * platform.catalogue.amounts["unit", tenant.currency],
            )


@story("period_not_reported")
def period_not_reported(platform: Platform, tenant: Tenant) -> None:
    """The sync leaves the tenant out for a whole period, which bills 0 units."""
    ordinary(platform, tenant)

    def begun(item: Obj) -> None:
        start, end = item["current_period_start"], item["current_period_end"]
        note = "No meter event was sent for the period; 0 units were billed."
        platform.stage.at(
            end + 3 * HOUR, lambda: _write_down_period(platform, tenant, "period_not_reported", note, start, end)
        )

    _next_period(platform, tenant, begun)


@story("reported_not_counted")
def reported_not_counted(platform: Platform, tenant: Tenant) -> None:
    """Somebody types a number by hand, seven too many."""
    ordinary(platform, tenant)

    def begun(item: Obj) -> None:
        start, end = item["current_period_start"], item["current_period_end"]
        value = tenant.counts.peak(day_of(start), day_of(end)) + TYPING_ERROR
        platform.report(tenant, item["id"], start, value, platform.stage.now)
        note = f"The reported value is {TYPING_ERROR} above the count."
        platform.stage.at(
            end + 3 * HOUR, lambda: _write_down_period(platform, tenant, "reported_not_counted", note, start, end)
        )

    _next_period(platform, tenant, begun)


@story("billed_not_reported")
def billed_not_reported(platform: Platform, tenant: Tenant) -> None:
    """The right value is sent, but an hour after the invoice was finalized."""
    ordinary(platform, tenant)

    def begun(item: Obj) -> None:
        start, end = item["current_period_start"], item["current_period_end"]
        low = max(0, tenant.counts.on(day_of(start)) - SHORT_REPORT)
        platform.report(tenant, item["id"], start, low, platform.stage.now)

        def too_late() -> None:
            final = tenant.counts.peak(day_of(start), day_of(end))
            platform.report(tenant, item["id"], start, final, end - 60)
            note = "The meter holds the right value, sent after the invoice was finalized with a lower one."
            _write_down_period(platform, tenant, "billed_not_reported", note, start, end)

        platform.stage.at(end + 2 * HOUR, too_late)

    _next_period(platform, tenant, begun)


@story("late_registration")
def late_registration(platform: Platform, tenant: Tenant) -> None:
    """Three move-ins are registered weeks after they happened, when their period is closed and invoiced."""
    ordinary(platform, tenant)
    moved_in = day_of(platform.stage.ends) - timedelta(days=85)
    name = tenant.tenant_id.removeprefix("t_")
    late = [Occupancy(f"o_{name}_l{n + 1:03d}", f"u_{name}_l{n + 1:02d}", moved_in, None) for n in range(LATE_UNITS)]

    def register() -> None:
        tenant.fix([*tenant.occupancies, *late])
        for invoice, line in billed(platform, tenant.subscription, "unit"):
            start, end = line["period"]["start"], line["period"]["end"]
            if day_of(end) > moved_in and int(line["quantity"]) != tenant.counts.peak(day_of(start), day_of(end)):
                del invoice
                note = f"{LATE_UNITS} move-ins of {moved_in} were registered after the invoice."
                _write_down_period(platform, tenant, "late_registration", note, start, end)

    if moved_in > tenant.created_on:
        _before_end(platform, 20, register)


@story("two_metered_subscriptions")
def two_metered_subscriptions(platform: Platform, tenant: Tenant) -> None:
    """A second subscription on the same meter bills every unit twice."""
    ordinary(platform, tenant)
    made: list[str] = []

    def second() -> None:
        if platform.subscription(tenant):
            prices = platform.catalogue.prices
            created = platform.stage.call(
                "POST",
                "subscriptions",
                customer=tenant.customer,
                items=[{"price": prices["unit", tenant.currency]}],
                default_tax_rates=[platform.catalogue.moms],
                metadata={"tenant_id": tenant.tenant_id},
            )
            made.append(created["id"])
            _at_the_end(platform, write_down)

    def write_down() -> None:
        lines = billed(platform, made[0], "unit")
        platform.faults.add(
            "two_metered_subscriptions",
            tenant,
            f"A meter counts per customer: {made[0]} bills the same usage again.",
            amount_minor=-sum(line["amount"] for _, line in lines),
        )

    _before_end(platform, 130, second)


@story("missing_unit_price")
def missing_unit_price(platform: Platform, tenant: Tenant) -> None:
    """The subscription has the base fee only."""
    platform.create_customer(tenant)
    platform.subscribe(tenant, items=platform.items(tenant)[:1])

    def write_down() -> None:
        closed = [
            line["period"]
            for _, line in billed(platform, tenant.subscription, "flat")
            if line["period"]["end"] <= platform.stage.now
        ]
        units = [tenant.counts.peak(day_of(p["start"]), day_of(p["end"])) for p in closed]
        platform.faults.add(
            "missing_unit_price",
            tenant,
            f"No item bills units; the amount is that of all {len(closed)} closed periods.",
            expected_units=tenant.counts.on(platform.stage.today),
            billed_units=0,
            amount_minor=sum(units) * platform.catalogue.amounts["unit", tenant.currency],
        )

    _at_the_end(platform, write_down)


@story("flat_fee_missing")
def flat_fee_missing(platform: Platform, tenant: Tenant) -> None:
    """The subscription bills units but not the base fee."""
    platform.create_customer(tenant)
    platform.subscribe(tenant, items=platform.items(tenant)[1:])

    def write_down() -> None:
        lines = billed(platform, tenant.subscription, "unit")
        platform.faults.add(
            "flat_fee_missing",
            tenant,
            f"No item bills the base fee; the amount is that of {len(lines)} invoiced periods.",
            amount_minor=len(lines) * platform.catalogue.amounts["flat", tenant.currency],
        )

    _at_the_end(platform, write_down)


@story("no_subscription")
def no_subscription(platform: Platform, tenant: Tenant) -> None:
    """The tenant uses the platform with occupied units and was never signed up at Stripe."""

    def write_down() -> None:
        today = platform.stage.today
        months = (today.year - tenant.created_on.year) * 12 + today.month - tenant.created_on.month
        units = tenant.counts.on(today)
        amounts = platform.catalogue.amounts
        monthly = amounts["flat", tenant.currency] + units * amounts["unit", tenant.currency]
        platform.faults.add(
            "no_subscription",
            tenant,
            f"Occupied units and no subscription; the amount is {months} months at today's count.",
            expected_units=units,
            billed_units=0,
            amount_minor=months * monthly,
        )

    _at_the_end(platform, write_down)


@story("billed_vacancy")
def billed_vacancy(platform: Platform, tenant: Tenant) -> None:
    """Two units fall empty for good and the sync has been switched off for the tenant."""
    ordinary(platform, tenant)

    def stop() -> None:
        item = item_of(platform, tenant, "licensed")
        if item is None:
            return
        platform.sync(tenant)
        tenant.is_synced = False
        today = platform.stage.today
        living = [o for o in tenant.occupancies if o.starts_on <= today and (o.ends_on is None or o.ends_on > today)]
        gone = {o.unit_id for o in living[:2]}
        tomorrow = today + timedelta(days=1)
        past = [o for o in tenant.occupancies if o.starts_on <= today and o not in living]
        tenant.fix([*past, *(replace(o, ends_on=tomorrow if o.unit_id in gone else None) for o in living)])
        since = platform.stage.now
        _at_the_end(platform, lambda: write_down(since))

    def write_down(since: int) -> None:
        lines = [
            line
            for _, line in billed(platform, tenant.subscription, "licensed")
            if line["period"]["start"] >= since and not _is_proration(line)
        ]
        item = item_of(platform, tenant, "licensed")
        if item is None:
            return
        too_many = sum(int(line["quantity"]) - tenant.counts.on(day_of(line["period"]["start"])) for line in lines)
        platform.faults.add(
            "billed_vacancy",
            tenant,
            f"Units stand empty and are billed in advance; the amount is that of {len(lines)} renewals.",
            expected_units=tenant.counts.on(platform.stage.today),
            billed_units=item["quantity"],
            amount_minor=-too_many * platform.catalogue.amounts["licensed", tenant.currency],
        )

    _before_end(platform, 75, stop)


def _is_proration(line: Obj) -> bool:
    parent = line.get("parent") or {}
    details = parent.get("subscription_item_details") or parent.get("invoice_item_details") or {}
    return bool(details.get("proration"))


@story("collection_stopped")
def collection_stopped(platform: Platform, tenant: Tenant) -> None:
    """A renewal fails, the customer cancels at once, and nobody collects the open invoice any more."""
    ordinary(platform, tenant)

    def fail() -> None:
        end = platform.period_end(tenant)
        if end is not None:
            platform.use_card(tenant, "pm_card_chargeCustomerFail")
            platform.stage.at(end + DAY, cancel)

    def cancel() -> None:
        if platform.subscription(tenant):
            platform.stage.call("DELETE", f"subscriptions/{tenant.subscription}")
            _at_the_end(platform, write_down)

    def write_down() -> None:
        for invoice in platform.invoices(tenant, "open"):
            platform.faults.add(
                "collection_stopped",
                tenant,
                "Canceling stopped the collection of a finalized invoice; the amount is what remains, with tax.",
                invoice_id=invoice["id"],
                amount_minor=invoice["amount_remaining"],
            )

    _before_end(platform, 60, lambda: before_renewal(platform, tenant, fail))


@story("invoice_number_gap")
def invoice_number_gap(platform: Platform, tenant: Tenant) -> None:
    """Somebody moves the customer's next invoice number on by one."""
    ordinary(platform, tenant)

    def skip() -> None:
        customer = platform.stage.ctx.state.get("customer", tenant.customer)
        if customer is None:
            return
        number = customer["next_invoice_sequence"]
        platform.stage.call("POST", f"customers/{tenant.customer}", next_invoice_sequence=number + 1)
        missing = f"{customer['invoice_prefix']}-{number:04d}"
        _at_the_end(platform, lambda: write_down(missing))

    def write_down(missing: str) -> None:
        platform.faults.add("invoice_number_gap", tenant, f"There is no invoice {missing}.")

    _before_end(platform, 100, skip)


@story("field_differs")
def field_differs(platform: Platform, tenant: Tenant) -> None:
    """The billing address for e-mail was changed at Stripe and not in the platform."""
    ordinary(platform, tenant)
    domain = tenant.company.email.partition("@")[2]

    def change() -> None:
        if platform.subscription(tenant):
            platform.stage.call("POST", f"customers/{tenant.customer}", email=f"regnskab@{domain}")
            note = f"Stripe has the e-mail address regnskab@{domain}, the platform {tenant.company.email}."
            _at_the_end(platform, lambda: platform.faults.add("field_differs", tenant, note))

    at_share(platform, tenant, 0.6, change)


def orphan_customer(platform: Platform) -> None:
    """A customer with a subscription that belongs to no tenant of the platform."""
    stage, catalogue = platform.stage, platform.catalogue
    made: list[tuple[str, str]] = []

    def begin() -> None:
        customer = stage.call(
            "POST",
            "customers",
            name="Kystens Ferieboliger ApS",
            email="bogholderi@kystens-ferieboliger.example",
            address={"line1": "Strandvej 4", "postal_code": "9990", "city": "Skagen", "country": "DK"},
            payment_method="pm_card_dk",
            invoice_settings={"default_payment_method": "pm_card_dk"},
        )
        subscription = stage.call(
            "POST",
            "subscriptions",
            customer=customer["id"],
            items=[{"price": catalogue.prices["licensed", "dkk"], "quantity": ORPHAN_UNITS}],
            default_tax_rates=[catalogue.moms],
        )
        made.append((customer["id"], subscription["id"]))
        stage.at(stage.ends - 1, write_down)

    def write_down() -> None:
        customer, subscription = made[0]
        lines = billed(platform, subscription, "licensed")
        platform.faults.add(
            "orphan_customer",
            None,
            "The customer belongs to no tenant; the amount is all that was invoiced.",
            customer_id=customer,
            subscription_id=subscription,
            expected_units=0,
            billed_units=ORPHAN_UNITS,
            amount_minor=-sum(line["amount"] for _, line in lines),
            currency="dkk",
        )

    stage.at(stage.begins + (stage.ends - stage.begins) * 2 // 5, begin)
