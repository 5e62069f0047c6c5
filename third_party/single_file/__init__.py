"""Checkpoints as the community shares them, all networks in one file, and what they become: a folder in diffusers' layout."""
