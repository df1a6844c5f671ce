"""What ``tinyworlds bench`` measures, beside a plain reference."""
