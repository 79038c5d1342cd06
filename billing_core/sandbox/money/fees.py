"""What payments and disputes cost, and when money becomes available.

The table follows Stripe's published Danish prices (docs/decisions): a rate by where the card is from, and a fixed part
in the currency of the payment. Fees are rounded half up, once. Refunds give no fee back.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction

from billing_core.money import exponent, round_minor

EEA = frozenset(
    [
        "AT",
        "BE",
        "BG",
        "CY",
        "CZ",
        "DE",
        "DK",
        "EE",
        "ES",
        "FI",
        "FR",
        "GR",
        "HR",
        "HU",
        "IE",
        "IS",
        "IT",
        "LI",
        "LT",
        "LU",
        "LV",
        "MT",
        "NL",
        "NO",
        "PL",
        "PT",
        "RO",
        "SE",
        "SI",
        "SK",
    ]
)
RATE_EEA = Fraction(15, 1000)
RATE_GB = Fraction(25, 1000)
RATE_ELSEWHERE = Fraction(325, 10000)

FIXED_MINOR = {"dkk": 180, "eur": 25, "sek": 180, "nok": 200, "gbp": 20, "usd": 30, "chf": 30, "pln": 100, "czk": 650}
SEPA_FIXED_MINOR = {"eur": 35, "dkk": 260}
DISPUTE_MINOR = {"dkk": 11000, "eur": 1500, "sek": 15000, "nok": 15000, "gbp": 2000, "usd": 1500}

# The least that can be charged; an invoice below it is moved to the customer's balance.
MINIMUM_CHARGE_MINOR = {
    "dkk": 250,
    "eur": 50,
    "sek": 300,
    "nok": 300,
    "gbp": 30,
    "usd": 50,
    "chf": 50,
    "pln": 200,
    "czk": 1500,
    "jpy": 50,
}

SETTLEMENT_DAYS = 3
DAY = 86400


def payment_fee_minor(amount_minor: int, currency: str, *, type: str, country: str) -> int:
    """Return Stripe's fee for a successful payment.

    Args:
        amount_minor: what was captured.
        currency: of the payment.
        type: of the payment method.
        country: where it was issued, ISO 3166 alpha-2.

    Returns:
        Minor units of the same currency.
    """
    if type != "card":
        return SEPA_FIXED_MINOR.get(currency, FIXED_MINOR.get(currency, _elsewhere(currency)))
    rate = RATE_EEA if country in EEA else RATE_GB if country == "GB" else RATE_ELSEWHERE
    return round_minor(amount_minor * rate) + FIXED_MINOR.get(currency, _elsewhere(currency))


def dispute_fee_minor(currency: str) -> int:
    """Return what a dispute costs in a currency, in minor units; it is kept when the dispute is won."""
    return DISPUTE_MINOR.get(currency, 15 * _scale(currency))


def minimum_charge_minor(currency: str) -> int:
    """Return the least amount that can be charged in a currency."""
    return MINIMUM_CHARGE_MINOR.get(currency, (5 * _scale(currency) + 9) // 10)


def _elsewhere(currency: str) -> int:
    return (3 * _scale(currency) + 9) // 10


def _scale(currency: str) -> int:
    return int(10 ** exponent(currency))


def start_of_day(at: int) -> int:
    """Return midnight UTC of a moment's day, in Unix seconds."""
    return at - at % DAY


def business_days_after(at: int, days: int) -> int:
    """Return midnight UTC so many business days (Monday to Friday) after a moment's day, in Unix seconds."""
    day = datetime.fromtimestamp(start_of_day(at), UTC)
    while days > 0:
        day += timedelta(days=1)
        days -= day.weekday() < 5
    return int(day.timestamp())
