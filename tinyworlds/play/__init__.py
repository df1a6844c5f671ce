"""The play session and its front ends."""
