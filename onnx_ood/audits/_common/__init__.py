"""Parts shared by several audits."""
