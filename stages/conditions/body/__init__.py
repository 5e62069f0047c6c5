"""The project's own anime-proportioned base body and the poses it comes with."""

from stages.conditions.body.asset import load_base_body
from stages.conditions.body.poses import POSES, load_pose

__all__ = ["POSES", "load_base_body", "load_pose"]
