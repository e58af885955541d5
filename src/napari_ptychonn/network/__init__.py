"""Networks: their architectures, their self-description, and the files they live in."""
