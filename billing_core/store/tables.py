"""The data model: schema `billing`, SQLAlchemy Core tables.

Conventions: `_minor` is a bigint in minor units of `currency` (lower-case ISO code) · `_at` is timestamptz (UTC) ·
`_on` is the date of the instant of the same name in the reporting time zone, stored beside it because `date_trunc` of a
timestamptz is what costs in reports · `_count`, `_ratio`, `is_` as named · ids are text, Stripe's own where the row
mirrors Stripe, and `raw` is then the object as Stripe sent it.
Every table made with `tracked(...)` carries `chg` (the transaction that last wrote the row, the warehouse's refresh
cursor) and `recorded_at`, both kept by triggers (see migrations); a DELETE leaves a row in `tombstones`, and a change
or a DELETE leaves what the row was, without `raw`, in `row_versions` over [recorded_from, recorded_to).
Stripe tables keep `tenant_id` nullable: a customer that belongs to no tenant is a finding, not an error.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.types import UserDefinedType

SCHEMA = "billing"
metadata = sa.MetaData(
    schema=SCHEMA,
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    },
)


class Xid8(UserDefinedType[int]):
    """Postgres' 64-bit transaction id; compared, never computed with."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """Return the type's name in DDL."""
        return "xid8"


def text(name: str, *, null: bool = True, **kw: Any) -> sa.Column[str]:
    """A text column."""
    return sa.Column(name, sa.Text, nullable=null, **kw)


def minor(name: str, *, null: bool = False) -> sa.Column[int]:
    """Money in minor units; 0 unless told, or null where a missing amount is not an amount of nothing."""
    return sa.Column(name, sa.BigInteger, nullable=null, server_default=None if null else sa.text("0"))


def at(name: str, *, null: bool = True) -> sa.Column[Any]:
    """An instant, UTC."""
    return sa.Column(name, sa.DateTime(timezone=True), nullable=null)


def on(name: str, *, null: bool = True) -> sa.Column[Any]:
    """A date in the reporting time zone."""
    return sa.Column(name, sa.Date, nullable=null)


def flag(name: str, *, default: str = "false") -> sa.Column[bool]:
    """A boolean that is never null."""
    return sa.Column(name, sa.Boolean, nullable=False, server_default=sa.text(default))


def whole(name: str, *, null: bool = True) -> sa.Column[int]:
    """A count."""
    return sa.Column(name, sa.Integer, nullable=null)


def number(name: str, precision: int, scale: int, *, null: bool = True) -> sa.Column[Any]:
    """An exact number, never NaN: named in a CHECK, since `'NaN' > 5` is true in Postgres and passes every range."""
    is_a_number = sa.CheckConstraint(f"{name} <> 'NaN'", name=f"{name}_is_a_number")
    return sa.Column(name, sa.Numeric(precision, scale), is_a_number, nullable=null)


def quantity(name: str, *, null: bool = True) -> sa.Column[Any]:
    """A quantity: numeric(20,6)."""
    return number(name, 20, 6, null=null)


def unit_amount(name: str) -> sa.Column[Any]:
    """A price per unit in minor units, with Stripe's twelve decimals."""
    return number(name, 24, 12)


def raw() -> sa.Column[Any]:
    """The source object as it came; null for rows that came from a file."""
    return sa.Column("raw", pg.JSONB, nullable=True)


TRACKED: list[str] = []


def tracked(name: str, *columns: Any) -> sa.Table:
    """A table whose changes the warehouse follows: adds `chg` and `recorded_at`, which triggers keep."""
    TRACKED.append(name)
    return sa.Table(
        name,
        metadata,
        *columns,
        sa.Column("chg", Xid8, nullable=False, server_default=sa.text("pg_current_xact_id()"), index=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
    )


def pk(name: str) -> sa.Column[str]:
    """The primary key of a table with one."""
    return sa.Column(name, sa.Text, primary_key=True)


# fmt: off
# --- operational side: what the platform knows ----------------------------------------------------------------------

tenants = tracked(
    "tenants", pk("tenant_id"), text("name", null=False), text("email"), text("country"), text("currency", null=False),
    at("created_at", null=False), on("created_on", null=False), at("deleted_at"),
)
tenant_details = tracked(
    "tenant_details", pk("tenant_id"), text("cvr_number"), text("ean_number"), text("order_reference"),
    text("language", null=False, server_default="en"), text("note"),
)
occupancies = tracked(
    "occupancies", pk("occupancy_id"), text("tenant_id", null=False, index=True), text("unit_id", null=False),
    on("starts_on", null=False), on("ends_on"), at("deleted_at"),
    sa.CheckConstraint("ends_on is null or ends_on >= starts_on", name="half_open"),
)

# --- catalogue ------------------------------------------------------------------------------------------------------

products = tracked("products", pk("product_id"), text("name", null=False), flag("is_active"), at("created_at"), raw())
prices = tracked(
    "prices", pk("price_id"), text("product_id", null=False), text("lookup_key"), text("nickname"), text("role"),
    text("currency", null=False), unit_amount("unit_amount_decimal"), text("interval"), whole("interval_count"),
    text("usage_type"), text("billing_scheme"), text("tiers_mode"), text("meter_id"), text("tax_behavior"),
    flag("is_active"), at("created_at"), raw(),
)
price_tiers = tracked(
    "price_tiers", pk("price_tier_id"), text("price_id", null=False), whole("tier_index", null=False),
    sa.Column("up_to", sa.BigInteger), unit_amount("unit_amount_decimal"), unit_amount("flat_amount_decimal"),
)
meters = tracked(
    "meters", pk("meter_id"), text("event_name", null=False), text("display_name"), text("formula", null=False),
    text("status"), at("created_at"), raw(),
)
tax_rates = tracked(
    "tax_rates", pk("tax_rate_id"), text("display_name"), text("country"), text("jurisdiction"),
    number("percentage", 9, 4), flag("is_inclusive"), flag("is_active"), at("created_at"), raw(),
)

# --- customers and subscriptions ------------------------------------------------------------------------------------

customers = tracked(
    "customers", pk("customer_id"), text("tenant_id", index=True), text("name"), text("email"), text("country"),
    text("currency"), minor("balance_minor"), flag("is_delinquent"), flag("is_deleted"), text("test_clock_id"),
    at("created_at"), raw(),
)
subscriptions = tracked(
    "subscriptions", pk("subscription_id"), text("customer_id"), text("tenant_id", index=True),
    text("status", null=False),
    text("currency", null=False), text("collection_method"), whole("days_until_due"), at("started_at"),
    at("trial_start_at"), at("trial_end_at"), at("cancel_at"), flag("is_cancel_at_period_end"), at("canceled_at"),
    at("ended_at"), text("pause_behavior"), at("pause_resumes_at"), at("billing_cycle_anchor_at"),
    text("latest_invoice_id"),
    text("billed_by", null=False, server_default="stripe"), text("source", null=False, server_default="stripe"),
    at("created_at"), raw(),
    sa.CheckConstraint("billed_by in ('stripe', 'engine')", name="billed_by"),
)
subscription_items = tracked(
    "subscription_items", pk("subscription_item_id"), text("subscription_id", null=False, index=True),
    text("tenant_id"), text("price_id"), text("product_id"), quantity("quantity"), at("current_period_start_at"),
    at("current_period_end_at"), at("created_at"), flag("is_deleted"), raw(),
)
subscription_item_versions = tracked(
    "subscription_item_versions", pk("version_id"), text("tenant_id", index=True), text("subscription_id", null=False),
    text("subscription_item_id", null=False), text("product"), text("price_id"), text("status", null=False),
    text("usage_type", null=False), flag("is_trial"), flag("is_paused"), quantity("quantity"),
    unit_amount("unit_amount_decimal"), minor("period_amount_minor"), minor("forever_discount_minor"),
    minor("other_discount_minor"), text("currency", null=False), text("interval", null=False),
    whole("interval_count", null=False), at("valid_from", null=False), at("valid_to"), on("valid_from_on", null=False),
    on("valid_to_on"), text("source", null=False),
    sa.CheckConstraint("valid_to is null or valid_to >= valid_from", name="half_open"),
)

# --- invoices and money ---------------------------------------------------------------------------------------------

invoices = tracked(
    "invoices", pk("invoice_id"), text("customer_id"), text("tenant_id", index=True), text("subscription_id"),
    text("number"), text("status", null=False), text("billing_reason"), text("collection_method"),
    text("currency", null=False), minor("subtotal_minor"), minor("discount_minor"), minor("tax_minor"),
    minor("total_excluding_tax_minor"), minor("total_minor"), minor("amount_due_minor"), minor("amount_paid_minor"),
    minor("amount_remaining_minor"), minor("pre_payment_credit_minor"), minor("post_payment_credit_minor"),
    minor("starting_balance_minor"), minor("ending_balance_minor", null=True), whole("attempt_count"),
    at("next_payment_attempt_at"), at("created_at"), at("finalized_at"), on("finalized_on"), at("due_at"), on("due_on"),
    at("paid_at"), on("paid_on"), at("voided_at"), on("voided_on"), at("marked_uncollectible_at"),
    on("marked_uncollectible_on"), at("automatically_finalizes_at"), text("hosted_invoice_url"), text("invoice_pdf"),
    text("source", null=False, server_default="stripe"), raw(),
    text("customer_country"), text("customer_tax_exempt"), text("customer_tax_id"),
)
invoice_lines = tracked(
    "invoice_lines", pk("invoice_line_id"), text("invoice_id", null=False, index=True), text("tenant_id"),
    text("subscription_id"), text("subscription_item_id"), text("price_id"), text("product_id"), text("description"),
    whole("position", null=False), quantity("quantity"), unit_amount("unit_amount_decimal"), text("usage_type"),
    minor("amount_minor"), minor("discount_minor"), minor("tax_minor"), text("currency", null=False),
    at("period_start_at"), at("period_end_at"), on("period_start_on"), on("period_end_on"), flag("is_proration"), raw(),
    text("tax_rate_id"), text("taxability_reason"),
)
payments = tracked(
    "payments", pk("payment_id"), text("invoice_id", index=True), text("customer_id"), text("tenant_id"),
    text("payment_intent_id"), text("charge_id"), text("currency", null=False), minor("amount_minor"),
    minor("tax_minor"),
    text("status", null=False), flag("is_outside_stripe"), text("reference"), at("paid_at"), on("paid_on"),
    at("created_at"), text("source", null=False, server_default="stripe"), raw(),
)
charges = tracked(
    "charges", pk("charge_id"), text("payment_intent_id"), text("invoice_id", index=True), text("customer_id"),
    text("tenant_id"), text("currency", null=False), minor("amount_minor"), minor("amount_refunded_minor"),
    text("status", null=False), text("failure_code"), text("decline_code"), text("failure_message"),
    text("payment_method_type"), text("card_brand"), text("card_last4"), text("balance_transaction_id"),
    flag("is_disputed"), at("created_at", null=False), on("created_on", null=False), raw(),
)
refunds = tracked(
    "refunds", pk("refund_id"), text("charge_id"), text("payment_intent_id"), text("invoice_id"), text("customer_id"),
    text("tenant_id"), text("currency", null=False), minor("amount_minor"), text("status", null=False), text("reason"),
    text("balance_transaction_id"), at("created_at", null=False), on("created_on", null=False), raw(),
)
credit_notes = tracked(
    "credit_notes", pk("credit_note_id"), text("invoice_id", index=True), text("customer_id"), text("tenant_id"),
    text("number"), text("status", null=False), text("type"), text("reason"), text("memo"),
    text("currency", null=False),
    minor("subtotal_minor"), minor("discount_minor"), minor("tax_minor"), minor("total_excluding_tax_minor"),
    minor("total_minor"), minor("pre_payment_minor"), minor("post_payment_minor"), minor("outside_stripe_minor"),
    at("issued_at", null=False), on("issued_on", null=False), at("voided_at"), on("voided_on"), raw(),
)
credit_note_lines = tracked(
    "credit_note_lines", pk("credit_note_line_id"), text("credit_note_id", null=False, index=True),
    text("invoice_line_id"),
    text("description"), quantity("quantity"), minor("amount_minor"), minor("discount_minor"), minor("tax_minor"),
    raw(),
)
customer_balance_transactions = tracked(
    "customer_balance_transactions", pk("customer_balance_transaction_id"), text("customer_id", null=False, index=True),
    text("tenant_id"), text("invoice_id"), text("credit_note_id"), text("type", null=False),
    text("currency", null=False),
    minor("amount_minor"), minor("ending_balance_minor"), at("created_at", null=False), on("created_on", null=False),
    raw(),
)
disputes = tracked(
    "disputes", pk("dispute_id"), text("charge_id"), text("payment_intent_id"), text("customer_id"), text("tenant_id"),
    text("currency", null=False), minor("amount_minor"), text("status", null=False), text("reason"),
    at("created_at", null=False), on("created_on", null=False), raw(),
)
balance_transactions = tracked(
    "balance_transactions", pk("balance_transaction_id"), text("source_id"), text("type", null=False),
    text("reporting_category"), text("currency", null=False), minor("amount_minor"), minor("fee_minor"),
    minor("net_minor"), text("status"), text("payout_id"), at("available_at"), at("created_at", null=False),
    on("created_on", null=False), raw(),
)
payouts = tracked(
    "payouts", pk("payout_id"), text("currency", null=False), minor("amount_minor"), text("status", null=False),
    text("balance_transaction_id"), at("arrival_at"), on("arrival_on"), at("created_at", null=False),
    on("created_on", null=False), raw(),
)

# --- usage ----------------------------------------------------------------------------------------------------------

metrics = tracked(
    "metrics", pk("metric"), text("aggregation", null=False, server_default="sum"), text("unit"), text("display_name"),
    sa.CheckConstraint("aggregation in ('sum', 'max', 'last', 'count', 'unique')", name="aggregation"),
)
usage_events = sa.Table(
    "usage_events", metadata,
    sa.Column("usage_event_id", sa.BigInteger, sa.Identity(), primary_key=True),
    text("tenant_id", null=False), text("metric", null=False), quantity("quantity", null=False), at("at", null=False),
    text("idempotency_key", null=False), text("fingerprint", null=False), sa.Column("metadata", pg.JSONB),
    sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
    sa.UniqueConstraint("tenant_id", "idempotency_key"),
    sa.Index("ix_usage_events_tenant_id_at", "tenant_id", "at", postgresql_include=["metric", "quantity"]),
)
usage_aggregates = tracked(
    "usage_aggregates",
    sa.Column("tenant_id", sa.Text, primary_key=True), sa.Column("metric", sa.Text, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True), quantity("quantity", null=False), whole("events_count", null=False),
)

# --- exchange rates -------------------------------------------------------------------------------------------------

fx_rates = tracked(
    "fx_rates", sa.Column("rate_on", sa.Date, primary_key=True),
    sa.Column("base_currency", sa.Text, primary_key=True), sa.Column("quote_currency", sa.Text, primary_key=True),
    number("rate", 24, 12, null=False), text("source", null=False, server_default="import"),
    sa.CheckConstraint("rate > 0", name="positive"),
    sa.CheckConstraint("base_currency <> quote_currency", name="two_currencies"),
)

# --- hearing, mirroring, people -------------------------------------------------------------------------------------

stripe_events = tracked(
    "stripe_events", pk("event_id"), text("type", null=False), text("object_type"), text("object_id", index=True),
    text("customer_id"), text("tenant_id"), text("api_version"), at("created_at", null=False),
    at("received_at", null=False),
    text("state", null=False), at("processed_at"), text("error"), whole("attempts_count"), raw(),
    sa.CheckConstraint("state in ('received', 'processed', 'failed', 'ignored')", name="state"),
)
mirror_cursors = sa.Table(
    "mirror_cursors", metadata, pk("resource"), text("state", null=False), text("cursor"), whole("rows_count"),
    at("started_at"), at("completed_at"),
)
staff = sa.Table(
    "staff", metadata, pk("email"), text("name", null=False), sa.Column("roles", pg.ARRAY(sa.Text), nullable=False),
    flag("is_active", default="true"),
)
audit_log = sa.Table(
    "audit_log", metadata,
    sa.Column("audit_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
    sa.Column("db_user", sa.Text, nullable=False, server_default=sa.text("session_user")),
    text("actor", null=False), text("action", null=False), text("subject_kind"), text("subject_id"), text("tenant_id"),
    text("reason"), sa.Column("before", pg.JSONB), sa.Column("after", pg.JSONB),
)
tenant_notes = sa.Table(
    "tenant_notes", metadata,
    sa.Column("tenant_note_id", sa.BigInteger, sa.Identity(), primary_key=True),
    text("tenant_id", null=False, index=True),
    sa.Column("written_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
    text("author", null=False), text("content", null=False),
)
settings = tracked("settings", pk("key"), sa.Column("value", pg.JSONB, nullable=False))
tombstones = sa.Table(
    "tombstones", metadata,
    sa.Column("tombstone_id", sa.BigInteger, sa.Identity(), primary_key=True),
    text("table_name", null=False), sa.Column("row_key", pg.JSONB, nullable=False),
    sa.Column("chg", Xid8, nullable=False, server_default=sa.text("pg_current_xact_id()"), index=True),
    sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
)
row_versions = sa.Table(
    "row_versions", metadata,
    sa.Column("row_version_id", sa.BigInteger, sa.Identity(), primary_key=True),
    text("table_name", null=False), sa.Column("content", pg.JSONB, nullable=False),
    at("recorded_from", null=False), at("recorded_to", null=False),
    sa.Column("chg", Xid8, nullable=False, server_default=sa.text("pg_current_xact_id()"), index=True),
    sa.CheckConstraint("recorded_from < recorded_to", name="not_empty"),
)

# --- actions: what is planned, approved, sent to Stripe and read back -------------------------------------------------

plans = sa.Table(
    "plans", metadata, pk("plan_id"), text("action", null=False), text("lane", null=False), text("hash", null=False),
    text("state", null=False), sa.Column("scope", pg.JSONB), sa.Column("skipped", pg.JSONB, nullable=False),
    sa.Column("approval_needed", pg.JSONB, nullable=False), text("requested_by", null=False),
    at("requested_at", null=False), text("reason"), text("applied_by"), sa.Column("job_id", sa.BigInteger),
    at("started_at"), at("ended_at"), whole("calls_count"), text("trouble"),
    sa.CheckConstraint(
        "state in ('planned', 'waiting', 'running', 'done', 'partly_done', 'unknown', 'failed', 'rejected')",
        name="state",
    ),
    sa.Index("uq_plans_one_running", "lane", unique=True, postgresql_where=sa.text("state = 'running'")),
    sa.Index("ix_plans_action_requested_at", "action", "requested_at"),
)
plan_actions = sa.Table(
    "plan_actions", metadata, sa.Column("plan_id", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True), whole("position", null=False), text("tenant_id", null=False),
    text("target", null=False), sa.Column("before_count", sa.BigInteger, nullable=False),
    sa.Column("after_count", sa.BigInteger, nullable=False), minor("effect_minor"), text("currency", null=False),
    text("note"), flag("is_flagged"), sa.Column("details", pg.JSONB, nullable=False),
    text("state", null=False, server_default="planned"), text("trouble"), at("ended_at"),
    sa.CheckConstraint("state in ('planned', 'sent', 'done', 'unknown', 'failed')", name="state"),
    sa.ForeignKeyConstraint(["plan_id"], ["billing.plans.plan_id"]),
    sa.Index("ix_plan_actions_tenant_id", "tenant_id"),
)
approvals = sa.Table(
    "approvals", metadata, sa.Column("approval_id", sa.BigInteger, sa.Identity(), primary_key=True),
    text("plan_id", null=False), text("hash", null=False), text("decision", null=False), text("decided_by", null=False),
    sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
    text("reason", null=False), sa.ForeignKeyConstraint(["plan_id"], ["billing.plans.plan_id"]),
    sa.UniqueConstraint("plan_id"), sa.CheckConstraint("decision in ('approved', 'rejected')", name="decision"),
)
intents = sa.Table(
    "intents", metadata, sa.Column("intent_id", sa.BigInteger, sa.Identity(), primary_key=True),
    text("plan_id", null=False), text("key", null=False), text("target", null=False),
    text("idempotency_key", null=False), text("path", null=False), sa.Column("params", pg.JSONB, nullable=False),
    whole("revision", null=False), whole("attempt", null=False), text("state", null=False), at("made_at", null=False),
    at("ended_at"), text("request_id"), text("trouble"), sa.UniqueConstraint("idempotency_key"),
    sa.ForeignKeyConstraint(["plan_id"], ["billing.plans.plan_id"]),
    sa.CheckConstraint("state in ('intended', 'done', 'unknown', 'failed')", name="state"),
    sa.Index("ix_intents_plan_id_key", "plan_id", "key"),
    sa.Index(
        "uq_intents_one_open", "target", unique=True, postgresql_where=sa.text("state in ('intended', 'unknown')")
    ),
)
meter_reports = tracked(
    "meter_reports", pk("identifier"), text("tenant_id", null=False, index=True), text("customer_id", null=False),
    text("subscription_item_id", null=False, index=True), text("meter_id", null=False),
    at("period_start_at", null=False), at("period_end_at", null=False), whole("revision", null=False),
    sa.Column("units_count", sa.BigInteger, nullable=False), at("stamped_at", null=False), at("sent_at", null=False),
    text("sent_by", null=False), text("plan_id"), text("corrects"),
)
meter_summaries = tracked(
    "meter_summaries", sa.Column("subscription_item_id", sa.Text, primary_key=True),
    sa.Column("period_start_at", sa.DateTime(timezone=True), primary_key=True),
    text("tenant_id", null=False, index=True), text("customer_id", null=False), text("meter_id", null=False),
    at("period_end_at", null=False),
    sa.Column("units_count", sa.BigInteger),
)
unit_counts = tracked(
    "unit_counts", sa.Column("subscription_item_id", sa.Text, primary_key=True),
    sa.Column("period_start_at", sa.DateTime(timezone=True), primary_key=True),
    text("tenant_id", null=False, index=True), at("period_end_at", null=False),
    sa.Column("units_count", sa.BigInteger, nullable=False),
    flag("is_peak"),
)
