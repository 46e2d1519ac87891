"""Audits: one question answered end to end, one package each."""
