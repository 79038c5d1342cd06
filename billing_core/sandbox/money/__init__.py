"""Money on the move: payment methods, payments, refunds, disputes, payouts, balances and credit notes."""
