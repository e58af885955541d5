"""Scans and results written for other programs."""
