"""A name of a set that wants to be markup."""

from __future__ import annotations

HOSTILE = "<b>odd</b> & 'set'"
