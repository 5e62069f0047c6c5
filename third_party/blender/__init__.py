"""Blender as a program that we run: found or provided here, spoken to in files."""
