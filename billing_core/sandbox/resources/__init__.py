"""The catalogue and the ground of the account: customers, products, prices, coupons, tax rates, clocks, events."""
