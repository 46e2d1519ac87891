"""What several audits share."""
