"""Results of reconstructions, ours and others', as labels, probes and starting objects."""
