-- The tables of revision 0001, as billing_core/store/tables.py had them. A released file is never edited: what changes later is a
-- revision of its own. A test compares the result of all revisions with the models.

create schema if not exists billing;

create table billing.tenants (
    tenant_id text not null, name text not null, email text, country text, currency text not null,
    created_at timestamptz not null, created_on date not null, deleted_at timestamptz,
    chg xid8 default pg_current_xact_id() not null, recorded_at timestamptz default now() not null,
    constraint pk_tenants primary key (tenant_id)
);
create index ix_tenants_chg on billing.tenants (chg);
create table billing.tenant_details (
    tenant_id text not null, cvr_number text, ean_number text, order_reference text,
    language text default 'en' not null, note text, chg xid8 default pg_current_xact_id() not null,
    recorded_at timestamptz default now() not null,
    constraint pk_tenant_details primary key (tenant_id)
);
create index ix_tenant_details_chg on billing.tenant_details (chg);
create table billing.occupancies (
    occupancy_id text not null, tenant_id text not null, unit_id text not null, starts_on date not null, ends_on date,
    deleted_at timestamptz, chg xid8 default pg_current_xact_id() not null,
    recorded_at timestamptz default now() not null,
    constraint pk_occupancies primary key (occupancy_id),
    constraint ck_occupancies_half_open check (ends_on is null or ends_on >= starts_on)
);
create index ix_occupancies_chg on billing.occupancies (chg);
create index ix_occupancies_tenant_id on billing.occupancies (tenant_id);
create table billing.products (
    product_id text not null, name text not null, is_active boolean default false not null, created_at timestamptz,
    raw jsonb, chg xid8 default pg_current_xact_id() not null, recorded_at timestamptz default now() not null,
    constraint pk_products primary key (product_id)
);
create index ix_products_chg on billing.products (chg);
create table billing.prices (
    price_id text not null, product_id text not null, lookup_key text, nickname text, role text,
    currency text not null,
    unit_amount_decimal numeric(24, 12) constraint ck_prices_unit_amount_decimal_is_a_number check (unit_amount_decimal <> 'NaN'),
    interval text, interval_count integer, usage_type text, billing_scheme text, tiers_mode text, meter_id text,
    tax_behavior text, is_active boolean default false not null, created_at timestamptz, raw jsonb,
    chg xid8 default pg_current_xact_id() not null, recorded_at timestamptz default now() not null,
    constraint pk_prices primary key (price_id)
);
create index ix_prices_chg on billing.prices (chg);
create table billing.price_tiers (
    price_tier_id text not null, price_id text not null, tier_index integer not null, up_to bigint,
    unit_amount_decimal numeric(24, 12) constraint ck_price_tiers_unit_amount_decimal_is_a_number check (unit_amount_decimal <> 'NaN'),
    flat_amount_decimal numeric(24, 12) constraint ck_price_tiers_flat_amount_decimal_is_a_number check (flat_amount_decimal <> 'NaN'),
    chg xid8 default pg_current_xact_id() not null, recorded_at timestamptz default now() not null,
    constraint pk_price_tiers primary key (price_tier_id)
);
create index ix_price_tiers_chg on billing.price_tiers (chg);
create table billing.meters (
    meter_id text not null, event_name text not null, display_name text, formula text not null, status text,
    created_at timestamptz, raw jsonb, chg xid8 default pg_current_xact_id() not null,
    recorded_at timestamptz default now() not null,
    constraint pk_meters primary key (meter_id)
);
create index ix_meters_chg on billing.meters (chg);
create table billing.tax_rates (
    tax_rate_id text not null, display_name text, country text, jurisdiction text,
    percentage numeric(9, 4) constraint ck_tax_rates_percentage_is_a_number check (percentage <> 'NaN'),
    is_inclusive boolean default false not null, is_active boolean default false not null, created_at timestamptz,
    raw jsonb, chg xid8 default pg_current_xact_id() not null, recorded_at timestamptz default now() not null,
    constraint pk_tax_rates primary key (tax_rate_id)
);
create index ix_tax_rates_chg on billing.tax_rates (chg);
create table billing.customers (
    customer_id text not null, tenant_id text, name text, email text, country text, currency text,
    balance_minor bigint default 0 not null, is_delinquent boolean default false not null,
    is_deleted boolean default false not null, test_clock_id text, created_at timestamptz, raw jsonb,
    chg xid8 default pg_current_xact_id() not null, recorded_at timestamptz default now() not null,
    constraint pk_customers primary key (customer_id)
);
create index ix_customers_chg on billing.customers (chg);
create index ix_customers_tenant_id on billing.customers (tenant_id);
create table billing.subscriptions (
    subscription_id text not null, customer_id text, tenant_id text, status text not null, currency text not null,
    collection_method text, days_until_due integer, started_at timestamptz, trial_start_at timestamptz,
    trial_end_at timestamptz, cancel_at timestamptz, is_cancel_at_period_end boolean default false not null,
    canceled_at timestamptz, ended_at timestamptz, pause_behavior text, pause_resumes_at timestamptz,
    billing_cycle_anchor_at timestamptz, latest_invoice_id text, billed_by text default 'stripe' not null,
    source text default 'stripe' not null, created_at timestamptz, raw jsonb,
    chg xid8 default pg_current_xact_id() not null, recorded_at timestamptz default now() not null,
    constraint pk_subscriptions primary key (subscription_id),
    constraint ck_subscriptions_billed_by check (billed_by in ('stripe', 'engine'))
);
create index ix_subscriptions_chg on billing.subscriptions (chg);
create index ix_subscriptions_tenant_id on billing.subscriptions (tenant_id);
create table billing.subscription_items (
    subscription_item_id text not null, subscription_id text not null, tenant_id text, price_id text, product_id text,
    quantity numeric(20, 6) constraint ck_subscription_items_quantity_is_a_number check (quantity <> 'NaN'),
    current_period_start_at timestamptz, current_period_end_at timestamptz, created_at timestamptz,
    is_deleted boolean default false not null, raw jsonb, chg xid8 default pg_current_xact_id() not null,
    recorded_at timestamptz default now() not null,
    constraint pk_subscription_items primary key (subscription_item_id)
);
create index ix_subscription_items_chg on billing.subscription_items (chg);
create index ix_subscription_items_subscription_id on billing.subscription_items (subscription_id);
create table billing.subscription_item_versions (
    version_id text not null, tenant_id text, subscription_id text not null, subscription_item_id text not null,
    product text, price_id text, status text not null, usage_type text not null,
    is_trial boolean default false not null, is_paused boolean default false not null,
    quantity numeric(20, 6) constraint ck_subscription_item_versions_quantity_is_a_number check (quantity <> 'NaN'),
    unit_amount_decimal numeric(24, 12) constraint ck_subscription_item_versions_unit_amount_decimal_is_a_number check (unit_amount_decimal <> 'NaN'),
    period_amount_minor bigint default 0 not null, forever_discount_minor bigint default 0 not null,
    other_discount_minor bigint default 0 not null, currency text not null, interval text not null,
    interval_count integer not null, valid_from timestamptz not null, valid_to timestamptz,
    valid_from_on date not null, valid_to_on date, source text not null,
    chg xid8 default pg_current_xact_id() not null, recorded_at timestamptz default now() not null,
    constraint pk_subscription_item_versions primary key (version_id),
    constraint ck_subscription_item_versions_half_open check (valid_to is null or valid_to >= valid_from)
);
create index ix_subscription_item_versions_chg on billing.subscription_item_versions (chg);
create index ix_subscription_item_versions_tenant_id on billing.subscription_item_versions (tenant_id);
create table billing.invoices (
    invoice_id text not null, customer_id text, tenant_id text, subscription_id text, number text,
    status text not null, billing_reason text, collection_method text, currency text not null,
    subtotal_minor bigint default 0 not null, discount_minor bigint default 0 not null,
    tax_minor bigint default 0 not null, total_excluding_tax_minor bigint default 0 not null,
    total_minor bigint default 0 not null, amount_due_minor bigint default 0 not null,
    amount_paid_minor bigint default 0 not null, amount_remaining_minor bigint default 0 not null,
    pre_payment_credit_minor bigint default 0 not null, post_payment_credit_minor bigint default 0 not null,
    starting_balance_minor bigint default 0 not null, ending_balance_minor bigint, attempt_count integer,
    next_payment_attempt_at timestamptz, created_at timestamptz, finalized_at timestamptz, finalized_on date,
    due_at timestamptz, due_on date, paid_at timestamptz, paid_on date, voided_at timestamptz, voided_on date,
    marked_uncollectible_at timestamptz, marked_uncollectible_on date, automatically_finalizes_at timestamptz,
    hosted_invoice_url text, invoice_pdf text, source text default 'stripe' not null, raw jsonb,
    chg xid8 default pg_current_xact_id() not null, recorded_at timestamptz default now() not null,
    constraint pk_invoices primary key (invoice_id)
);
create index ix_invoices_chg on billing.invoices (chg);
create index ix_invoices_tenant_id on billing.invoices (tenant_id);
create table billing.invoice_lines (
    invoice_line_id text not null, invoice_id text not null, tenant_id text, subscription_id text,
    subscription_item_id text, price_id text, product_id text, description text, position integer not null,
    quantity numeric(20, 6) constraint ck_invoice_lines_quantity_is_a_number check (quantity <> 'NaN'),
    unit_amount_decimal numeric(24, 12) constraint ck_invoice_lines_unit_amount_decimal_is_a_number check (unit_amount_decimal <> 'NaN'),
    usage_type text, amount_minor bigint default 0 not null, discount_minor bigint default 0 not null,
    tax_minor bigint default 0 not null, currency text not null, period_start_at timestamptz,
    period_end_at timestamptz, period_start_on date, period_end_on date, is_proration boolean default false not null,
    raw jsonb, chg xid8 default pg_current_xact_id() not null, recorded_at timestamptz default now() not null,
    constraint pk_invoice_lines primary key (invoice_line_id)
);
create index ix_invoice_lines_chg on billing.invoice_lines (chg);
create index ix_invoice_lines_invoice_id on billing.invoice_lines (invoice_id);
create table billing.payments (
    payment_id text not null, invoice_id text, customer_id text, tenant_id text, payment_intent_id text,
    charge_id text, currency text not null, amount_minor bigint default 0 not null,
    tax_minor bigint default 0 not null, status text not null, is_outside_stripe boolean default false not null,
    reference text, paid_at timestamptz, paid_on date, created_at timestamptz, source text default 'stripe' not null,
    raw jsonb, chg xid8 default pg_current_xact_id() not null, recorded_at timestamptz default now() not null,
    constraint pk_payments primary key (payment_id)
);
create index ix_payments_chg on billing.payments (chg);
create index ix_payments_invoice_id on billing.payments (invoice_id);
create table billing.charges (
    charge_id text not null, payment_intent_id text, invoice_id text, customer_id text, tenant_id text,
    currency text not null, amount_minor bigint default 0 not null, amount_refunded_minor bigint default 0 not null,
    status text not null, failure_code text, decline_code text, failure_message text, payment_method_type text,
    card_brand text, card_last4 text, balance_transaction_id text, is_disputed boolean default false not null,
    created_at timestamptz not null, created_on date not null, raw jsonb,
    chg xid8 default pg_current_xact_id() not null, recorded_at timestamptz default now() not null,
    constraint pk_charges primary key (charge_id)
);
create index ix_charges_chg on billing.charges (chg);
create index ix_charges_invoice_id on billing.charges (invoice_id);
create table billing.refunds (
    refund_id text not null, charge_id text, payment_intent_id text, invoice_id text, customer_id text,
    tenant_id text, currency text not null, amount_minor bigint default 0 not null, status text not null, reason text,
    balance_transaction_id text, created_at timestamptz not null, created_on date not null, raw jsonb,
    chg xid8 default pg_current_xact_id() not null, recorded_at timestamptz default now() not null,
    constraint pk_refunds primary key (refund_id)
);
create index ix_refunds_chg on billing.refunds (chg);
create table billing.credit_notes (
    credit_note_id text not null, invoice_id text, customer_id text, tenant_id text, number text,
    status text not null, type text, reason text, memo text, currency text not null,
    subtotal_minor bigint default 0 not null, discount_minor bigint default 0 not null,
    tax_minor bigint default 0 not null, total_excluding_tax_minor bigint default 0 not null,
    total_minor bigint default 0 not null, pre_payment_minor bigint default 0 not null,
    post_payment_minor bigint default 0 not null, outside_stripe_minor bigint default 0 not null,
    issued_at timestamptz not null, issued_on date not null, voided_at timestamptz, voided_on date, raw jsonb,
    chg xid8 default pg_current_xact_id() not null, recorded_at timestamptz default now() not null,
    constraint pk_credit_notes primary key (credit_note_id)
);
create index ix_credit_notes_chg on billing.credit_notes (chg);
create index ix_credit_notes_invoice_id on billing.credit_notes (invoice_id);
create table billing.credit_note_lines (
    credit_note_line_id text not null, credit_note_id text not null, invoice_line_id text, description text,
    quantity numeric(20, 6) constraint ck_credit_note_lines_quantity_is_a_number check (quantity <> 'NaN'),
    amount_minor bigint default 0 not null, discount_minor bigint default 0 not null,
    tax_minor bigint default 0 not null, raw jsonb, chg xid8 default pg_current_xact_id() not null,
    recorded_at timestamptz default now() not null,
    constraint pk_credit_note_lines primary key (credit_note_line_id)
);
create index ix_credit_note_lines_chg on billing.credit_note_lines (chg);
create index ix_credit_note_lines_credit_note_id on billing.credit_note_lines (credit_note_id);
create table billing.customer_balance_transactions (
    customer_balance_transaction_id text not null, customer_id text not null, tenant_id text, invoice_id text,
    credit_note_id text, type text not null, currency text not null, amount_minor bigint default 0 not null,
    ending_balance_minor bigint default 0 not null, created_at timestamptz not null, created_on date not null,
    raw jsonb, chg xid8 default pg_current_xact_id() not null, recorded_at timestamptz default now() not null,
    constraint pk_customer_balance_transactions primary key (customer_balance_transaction_id)
);
create index ix_customer_balance_transactions_chg on billing.customer_balance_transactions (chg);
create index ix_customer_balance_transactions_customer_id on billing.customer_balance_transactions (customer_id);
create table billing.disputes (
    dispute_id text not null, charge_id text, payment_intent_id text, customer_id text, tenant_id text,
    currency text not null, amount_minor bigint default 0 not null, status text not null, reason text,
    created_at timestamptz not null, created_on date not null, raw jsonb,
    chg xid8 default pg_current_xact_id() not null, recorded_at timestamptz default now() not null,
    constraint pk_disputes primary key (dispute_id)
);
create index ix_disputes_chg on billing.disputes (chg);
create table billing.balance_transactions (
    balance_transaction_id text not null, source_id text, type text not null, reporting_category text,
    currency text not null, amount_minor bigint default 0 not null, fee_minor bigint default 0 not null,
    net_minor bigint default 0 not null, status text, payout_id text, available_at timestamptz,
    created_at timestamptz not null, created_on date not null, raw jsonb,
    chg xid8 default pg_current_xact_id() not null, recorded_at timestamptz default now() not null,
    constraint pk_balance_transactions primary key (balance_transaction_id)
);
create index ix_balance_transactions_chg on billing.balance_transactions (chg);
create table billing.payouts (
    payout_id text not null, currency text not null, amount_minor bigint default 0 not null, status text not null,
    balance_transaction_id text, arrival_at timestamptz, arrival_on date, created_at timestamptz not null,
    created_on date not null, raw jsonb, chg xid8 default pg_current_xact_id() not null,
    recorded_at timestamptz default now() not null,
    constraint pk_payouts primary key (payout_id)
);
create index ix_payouts_chg on billing.payouts (chg);
create table billing.metrics (
    metric text not null, aggregation text default 'sum' not null, unit text, display_name text,
    chg xid8 default pg_current_xact_id() not null, recorded_at timestamptz default now() not null,
    constraint pk_metrics primary key (metric),
    constraint ck_metrics_aggregation check (aggregation in ('sum', 'max', 'last', 'count', 'unique'))
);
create index ix_metrics_chg on billing.metrics (chg);
create table billing.usage_events (
    usage_event_id bigint generated by default as identity, tenant_id text not null, metric text not null,
    quantity numeric(20, 6) not null constraint ck_usage_events_quantity_is_a_number check (quantity <> 'NaN'),
    at timestamptz not null, idempotency_key text not null, fingerprint text not null, metadata jsonb,
    recorded_at timestamptz default now() not null,
    constraint pk_usage_events primary key (usage_event_id),
    constraint uq_usage_events_tenant_id_idempotency_key unique (tenant_id, idempotency_key)
);
create index ix_usage_events_tenant_id_at on billing.usage_events (tenant_id, at) include (metric, quantity);
create table billing.usage_aggregates (
    tenant_id text not null, metric text not null, day date not null,
    quantity numeric(20, 6) not null constraint ck_usage_aggregates_quantity_is_a_number check (quantity <> 'NaN'),
    events_count integer not null, chg xid8 default pg_current_xact_id() not null,
    recorded_at timestamptz default now() not null,
    constraint pk_usage_aggregates primary key (tenant_id, metric, day)
);
create index ix_usage_aggregates_chg on billing.usage_aggregates (chg);
create table billing.stripe_events (
    event_id text not null, type text not null, object_type text, object_id text, customer_id text, tenant_id text,
    api_version text, created_at timestamptz not null, received_at timestamptz not null, state text not null,
    processed_at timestamptz, error text, attempts_count integer, raw jsonb,
    chg xid8 default pg_current_xact_id() not null, recorded_at timestamptz default now() not null,
    constraint pk_stripe_events primary key (event_id),
    constraint ck_stripe_events_state check (state in ('received', 'processed', 'failed', 'ignored'))
);
create index ix_stripe_events_chg on billing.stripe_events (chg);
create index ix_stripe_events_object_id on billing.stripe_events (object_id);
create table billing.mirror_cursors (
    resource text not null, state text not null, cursor text, rows_count integer, started_at timestamptz,
    completed_at timestamptz,
    constraint pk_mirror_cursors primary key (resource)
);
create table billing.staff (
    email text not null, name text not null, roles text[] not null, is_active boolean default true not null,
    constraint pk_staff primary key (email)
);
create table billing.audit_log (
    audit_id bigint generated by default as identity, at timestamptz default now() not null,
    db_user text default session_user not null, actor text not null, action text not null, subject_kind text,
    subject_id text, tenant_id text, reason text, before jsonb, after jsonb,
    constraint pk_audit_log primary key (audit_id)
);
create table billing.settings (
    key text not null, value jsonb not null,
    constraint pk_settings primary key (key)
);
create table billing.tombstones (
    tombstone_id bigint generated by default as identity, table_name text not null, row_key jsonb not null,
    chg xid8 default pg_current_xact_id() not null, recorded_at timestamptz default now() not null,
    constraint pk_tombstones primary key (tombstone_id)
);
create index ix_tombstones_chg on billing.tombstones (chg);
