"""The computing half of Lethe."""
