"""Stripe's test payment methods: what each one is, and what happens when it is used.

A test name (`pm_card_visa`), a token (`tok_visa`) and a card number lead to the same instrument. Names, numbers and
outcomes are those of Stripe's testing page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Authentication = Literal["never", "always", "unless_set_up"]
RefundOutcome = Literal["succeeds", "fails", "waits"]


@dataclass(frozen=True)
class Refusal:
    """Why a bank says no, in the words of an error's `code`, `decline_code` and `message`."""

    code: str
    decline_code: str
    message: str


@dataclass(frozen=True)
class Instrument:
    """A test payment method.

    Args:
        type: `card`, `sepa_debit` or `us_bank_account`; the last two settle days later.
        refusal: what every charge is answered with, or None.
        is_refused_at_once: whether attaching it to a customer is refused too.
        dispute: reason of the dispute that follows a charge, or None.
        is_available_at_once: whether the money skips the pending balance.
    """

    number: str
    brand: str = "visa"
    type: str = "card"
    funding: str = "credit"
    country: str = "US"
    refusal: Refusal | None = None
    is_refused_at_once: bool = False
    authentication: Authentication = "never"
    dispute: str | None = None
    is_inquiry: bool = False
    refund: RefundOutcome = "succeeds"
    is_available_at_once: bool = False
    risk: str = "normal"

    @property
    def last4(self) -> str:
        return self.number[-4:]


GENERIC = Refusal("card_declined", "generic_decline", "Your card was declined.")
INSUFFICIENT_FUNDS = Refusal("card_declined", "insufficient_funds", "Your card has insufficient funds.")
LOST = Refusal("card_declined", "lost_card", "Your card was declined.")
STOLEN = Refusal("card_declined", "stolen_card", "Your card was declined.")
FRAUDULENT = Refusal("card_declined", "fraudulent", "Your card was declined.")
EXPIRED = Refusal("expired_card", "expired_card", "Your card has expired.")
INCORRECT_CVC = Refusal("incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect.")
PROCESSING = Refusal(
    "processing_error",
    "processing_error",
    "An error occurred while processing your card. Try again in a little bit.",
)
VELOCITY = Refusal(
    "card_declined",
    "card_velocity_exceeded",
    "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
)
AUTHENTICATION = Refusal(
    "authentication_required",
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
)
UNCONFIRMED = Refusal(
    "payment_intent_authentication_failure",
    "",
    "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
)
BANK_REFUSAL = Refusal(
    "payment_intent_payment_attempt_failed",
    "generic_decline",
    "The customer's bank account could not be debited.",
)

# A new attempt on the same card is pointless: retries wait for another payment method.
HARD_DECLINES = frozenset(
    [
        "incorrect_number",
        "lost_card",
        "pickup_card",
        "stolen_card",
        "revocation_of_authorization",
        "revocation_of_all_authorizations",
        "authentication_required",
        "highest_risk_level",
        "transaction_not_allowed",
    ]
)

_SIMPLE = {
    "visa": ("4242424242424242", "visa", "credit", "US"),
    "visa_debit": ("4000056655665556", "visa", "debit", "US"),
    "mastercard": ("5555555555554444", "mastercard", "credit", "US"),
    "mastercard_debit": ("5200828282828210", "mastercard", "debit", "US"),
    "mastercard_prepaid": ("5105105105105100", "mastercard", "prepaid", "US"),
    "amex": ("378282246310005", "amex", "credit", "US"),
    "discover": ("6011111111111117", "discover", "credit", "US"),
    "diners": ("3056930009020004", "diners", "credit", "US"),
    "jcb": ("3566002020360505", "jcb", "credit", "JP"),
    "unionpay": ("6200000000000005", "unionpay", "credit", "CN"),
    "us": ("4242424242424242", "visa", "credit", "US"),
    "at": ("4000000400000008", "visa", "credit", "AT"),
    "be": ("4000000560000004", "visa", "credit", "BE"),
    "ca": ("4000001240000000", "visa", "credit", "CA"),
    "ch": ("4000007560000009", "visa", "credit", "CH"),
    "de": ("4000002760000016", "visa", "credit", "DE"),
    "dk": ("4000002080000001", "visa", "credit", "DK"),
    "es": ("4000007240000007", "visa", "credit", "ES"),
    "fi": ("4000002460000001", "visa", "credit", "FI"),
    "fr": ("4000002500000003", "visa", "credit", "FR"),
    "gb": ("4000008260000000", "visa", "credit", "GB"),
    "ie": ("4000003720000005", "visa", "credit", "IE"),
    "it": ("4000003800000008", "visa", "credit", "IT"),
    "nl": ("4000005280000002", "visa", "credit", "NL"),
    "no": ("4000005780000007", "visa", "credit", "NO"),
    "pl": ("4000006160000005", "visa", "credit", "PL"),
    "se": ("4000007520000008", "visa", "credit", "SE"),
}

INSTRUMENTS: dict[str, Instrument] = {
    name: Instrument(number, brand=brand, funding=funding, country=country)
    for name, (number, brand, funding, country) in _SIMPLE.items()
} | {
    "chargeCustomerFail": Instrument("4000000000000341", refusal=GENERIC),
    "chargeDeclined": Instrument("4000000000000002", refusal=GENERIC, is_refused_at_once=True),
    "chargeDeclinedInsufficientFunds": Instrument(
        "4000000000009995", refusal=INSUFFICIENT_FUNDS, is_refused_at_once=True
    ),
    "chargeDeclinedLostCard": Instrument("4000000000009987", refusal=LOST, is_refused_at_once=True),
    "chargeDeclinedStolenCard": Instrument("4000000000009979", refusal=STOLEN, is_refused_at_once=True),
    "chargeDeclinedExpiredCard": Instrument("4000000000000069", refusal=EXPIRED, is_refused_at_once=True),
    "chargeDeclinedIncorrectCvc": Instrument("4000000000000127", refusal=INCORRECT_CVC, is_refused_at_once=True),
    "chargeDeclinedProcessingError": Instrument("4000000000000119", refusal=PROCESSING, is_refused_at_once=True),
    "chargeDeclinedVelocityLimitExceeded": Instrument("4000000000006975", refusal=VELOCITY, is_refused_at_once=True),
    "chargeDeclinedFraudulent": Instrument(
        "4100000000000019", refusal=FRAUDULENT, is_refused_at_once=True, risk="highest"
    ),
    "radarBlock": Instrument("4100000000000019", refusal=FRAUDULENT, risk="highest"),
    "riskLevelElevated": Instrument("4000000000009235", risk="elevated"),
    "authenticationRequired": Instrument("4000002760003184", authentication="always"),
    "authenticationRequiredOnSetup": Instrument("4000002500003155", authentication="unless_set_up"),
    "authenticationRequiredSetupForOffSession": Instrument("4000003800000446", authentication="unless_set_up"),
    "authenticationRequiredChargeDeclinedInsufficientFunds": Instrument(
        "4000008260003178", authentication="always", refusal=INSUFFICIENT_FUNDS
    ),
    "threeDSecure2Required": Instrument("4000000000003220", authentication="always"),
    "threeDSecureRequired": Instrument("4000000000003063", authentication="always"),
    "threeDSecureRequiredChargeDeclined": Instrument("4000008400001629", authentication="always", refusal=GENERIC),
    "threeDSecureOptional": Instrument("4000000000003055"),
    "threeDSecureNotSupported": Instrument("378282246310005", brand="amex"),
    "cvcCheckFail": Instrument("4000000000000101"),
    "avsFail": Instrument("4000000000000010"),
    "avsLine1Fail": Instrument("4000000000000028"),
    "avsZipFail": Instrument("4000000000000036"),
    "avsUnchecked": Instrument("4000000000000044"),
    "createIssuerFraudRecord": Instrument("4000000000005423"),
    "createDispute": Instrument("4000000000000259", dispute="fraudulent"),
    "createDisputeProductNotReceived": Instrument("4000000000002685", dispute="product_not_received"),
    "createDisputeInquiry": Instrument("4000000000001976", dispute="fraudulent", is_inquiry=True),
    "refundFail": Instrument("4000000000005126", refund="fails"),
    "pendingRefund": Instrument("4000000000007726", refund="waits"),
    "bypassPending": Instrument("4000000000000077", is_available_at_once=True),
    "bypassPendingInternational": Instrument("4000003720000278", country="IE", is_available_at_once=True),
    "sepaDebit": Instrument("DE89370400440532013000", brand="", type="sepa_debit", funding="", country="DE"),
    "sepaDebitFails": Instrument(
        "DE62370400440532013001", brand="", type="sepa_debit", funding="", country="DE", refusal=BANK_REFUSAL
    ),
    "usBankAccount": Instrument("000123456789", brand="", type="us_bank_account", funding=""),
    "usBankAccountFails": Instrument(
        "000111111116", brand="", type="us_bank_account", funding="", refusal=BANK_REFUSAL
    ),
}

# Names that do not follow `pm_card_<key>`.
_OTHER_NAMES = {
    "pm_sepa_debit": "sepaDebit",
    "pm_sepaDebit_success": "sepaDebit",
    "pm_sepaDebit_failed": "sepaDebitFails",
    "pm_usBankAccount": "usBankAccount",
    "pm_usBankAccount_success": "usBankAccount",
    "pm_usBankAccount_insufficientFunds": "usBankAccountFails",
}


def key_of_name(name: str) -> str | None:
    """Return the key in `INSTRUMENTS` of a test name (`pm_card_visa`) or token (`tok_visa`), or None."""
    if name in _OTHER_NAMES:
        return _OTHER_NAMES[name]
    for prefix in ("pm_card_", "tok_"):
        if name.startswith(prefix):
            key = name.removeprefix(prefix)
            for candidate in (key, key.removeprefix("visa_")):
                if candidate in INSTRUMENTS:
                    return candidate
    return None


def key_of_number(number: str) -> str | None:
    """Return the key in `INSTRUMENTS` of a test card's or test account's number, or None."""
    digits = "".join(number.split()).replace("-", "")
    return next((key for key, known in INSTRUMENTS.items() if known.number == digits), None)
