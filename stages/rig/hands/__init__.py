"""Hands of the base body, with fingers apart, in place of the reconstruction's mittens."""
