"""What speed is measured against and with: a plain reference of v1, and timings taken in turn."""
