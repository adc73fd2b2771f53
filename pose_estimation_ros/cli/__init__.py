"""Human poses from camera images."""
