"""Scans with known truth: samples, probes, paths and photons."""
