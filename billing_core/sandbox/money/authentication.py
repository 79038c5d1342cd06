"""The bank's page on which a customer confirms a payment or a setup; a stand-in that a browser or a test can use.

`next_action` of an intent that requires action names its address: `GET` shows two buttons, `POST` with `outcome`
`succeed` or `fail` answers for the customer.
"""

from __future__ import annotations

from billing_core.sandbox.context import Context
from billing_core.sandbox.errors import invalid
from billing_core.sandbox.money import intents, setup_intents
from billing_core.sandbox.routes import Raw, route
from billing_core.sandbox.state import Obj

OUTCOMES = (("succeed", "Complete authentication"), ("fail", "Fail authentication"))


@route("GET", "/authenticate/{intent}")
def show(ctx: Context, params: Obj, intent: str) -> Raw:
    """Show the page, or that there is nothing to confirm."""
    obj = ctx.need("setup_intent" if intent.startswith("seti_") else "payment_intent", intent)
    if obj["status"] == "requires_action":
        body = "".join(
            f'<form method="post"><input type="hidden" name="outcome" value="{outcome}"><button>{label}</button></form>'
            for outcome, label in OUTCOMES
        )
    else:
        body = f"<p>Nothing to confirm: the status is {obj['status']}.</p>"
    page = f'<!doctype html><html lang="en"><title>3D Secure</title><h1>3D Secure test page</h1>{body}</html>'
    return Raw(page.encode(), "text/html; charset=utf-8")


@route("POST", "/authenticate/{intent}")
def answer(ctx: Context, params: Obj, intent: str) -> Obj:
    """Answer for the customer and return the intent as it is then."""
    is_confirmed = params.get("outcome", "succeed") == "succeed"
    if intent.startswith("seti_"):
        return setup_intents.finish(ctx, intent, is_confirmed=is_confirmed)
    status = ctx.need("payment_intent", intent)["status"]
    if status != "requires_action":
        raise invalid(f"This payment intent does not wait for its customer: {status}.")
    intents.finish_authentication(ctx, intent, is_confirmed=is_confirmed)
    return ctx.need("payment_intent", intent)
