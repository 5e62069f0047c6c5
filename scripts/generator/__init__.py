"""The generator of training characters: words to a dressed, rigged, painted character on the base body, and its pictures.

It teaches and judges; no stage imports it.
"""

from scripts.generator.assemble import PARTS, Character, build_character, character_mesh
from scripts.generator.attributes import DEFAULT, Attributes, sample_attributes
from scripts.generator.captions import caption, view_name, vocabulary
from scripts.generator.draw import Picture, render, render_all
from scripts.generator.sampling import sample_pose, training_camera, vary_body
from scripts.generator.split import HELD_OUT, is_held_out

__all__ = [
    "DEFAULT", "HELD_OUT", "PARTS", "Attributes", "Character", "Picture", "build_character", "caption", "character_mesh",
    "is_held_out", "render", "render_all", "sample_attributes", "sample_pose", "training_camera", "vary_body", "view_name", "vocabulary",
]
