"""Motions: read from files or made here, carried onto the character's skeleton, feet held to the ground."""
