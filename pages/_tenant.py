"""The page of one tenant: who it is, four figures, and its parts one at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from pages import _words
from pages._frame import Page


def show(page: Page, tenant: Mapping[str, Any]) -> None:
    """Draw the tenant of a row of `tenants_list`."""
    st.subheader(_words.inert(tenant["name"]), anchor=False)
