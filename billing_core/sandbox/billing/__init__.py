"""What Stripe Billing does: subscriptions, invoices, prorations, meters, previews, and the time that drives them."""
