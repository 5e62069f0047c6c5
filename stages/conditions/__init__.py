"""Conditions: one posed body seen from two rings of cameras, as the pictures that ControlNets read."""
