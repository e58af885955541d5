"""The scan as data: patterns, positions, geometry, mask, and where they came from."""
