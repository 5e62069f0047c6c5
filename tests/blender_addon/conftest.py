"""The engine's fake program, which the add-on runs as it would the real one."""

from tests.pipeline.conftest import home, program

__all__ = ["home", "program"]
