"""Blender as a program that we run: found or provided here, spoken to in files."""

LICENCE = "GPL-3.0-or-later: a program of its own, run in a process of its own"
