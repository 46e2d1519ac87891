"""Alterations of pictures by name and severity, and pictures made from nothing."""
