"""Compiled passes over activations."""
