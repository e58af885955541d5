"""Physics of the light: propagation, probes, sweeps."""
