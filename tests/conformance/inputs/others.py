"""What is no array: Python's numbers, images of PIL, figures, meshes of trimesh, tables, words, settings."""

from tests.conformance.inputs.other import Other
from tests.conformance.inputs.said import NUMBERS, SETTINGS_OF, TABLES, WORDS
from tests.conformance.inputs.seen import FIGURES, MESHES, PICTURES

OTHERS: tuple[Other, ...] = (*NUMBERS, *PICTURES, *FIGURES, *MESHES, *TABLES, *WORDS, *SETTINGS_OF)
