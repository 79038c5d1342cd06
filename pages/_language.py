"""The reader's language: his browser's, unless he chose another; kept in the session, and in a link when it says
`lang=da`."""

from __future__ import annotations

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from billing_core.services import language
from billing_core.services.language import LANGUAGES, N_, _
from pages import _filters

PARAM = "lang"
SETTLED = "_language"
HELP = N_("The language of the texts. Dates and amounts follow it.")


def settle() -> str:
    """Decide the language of this run and remember it for callbacks and fragments, which run without the frame."""
    asked = st.query_params.get(PARAM)
    remembered = st.session_state.get(_filters.remembered(PARAM))
    chosen = next((code for code in (asked, remembered) if code in LANGUAGES), None)
    st.session_state[SETTLED] = chosen or language.best_language(st.context.locale)
    return str(st.session_state[SETTLED])


def choose() -> None:
    """Draw the switch in the sidebar."""
    with st.sidebar:
        _filters.choice(
            _("Language"),
            PARAM,
            list(LANGUAGES),
            default=language.best_language(st.context.locale),
            name=LANGUAGES.__getitem__,
            is_remembered=True,
            as_segments=True,
            help=_(HELP),
        )


def _of_session() -> str | None:
    if get_script_run_ctx(suppress_warning=True) is None:
        return None
    found = st.session_state.get(SETTLED)
    return str(found) if found else None


language.listen_to(_of_session)
