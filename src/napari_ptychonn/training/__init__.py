"""Networks that learn: pretraining on simulated scans, fine-tuning on a measured one."""
