"""The documentation site: `nox -s docs`."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "neural_lagrangian"
author = "the neural_lagrangian developers"
version = release = version_of(project)

extensions = [
    "myst_nb",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx-mathjax-offline",
    "api",
    "gallery",
    "links",
    "local_links",
]
exclude_patterns = ["_build", "_extensions"]
highlight_language = (
    "none"  # blocks without a language are text: trees, outputs, commands
)
html_theme = "sphinx_book_theme"
html_title = project
html_static_path = ["_static"]
html_css_files = ["style.css"]
html_show_sourcelink = False
copybutton_exclude = ".linenos, .gp, .go"  # neither prompts nor outputs
html_theme_options = {
    "navbar_persistent": [],
    "show_toc_level": 2,
    "use_download_button": True,
    "use_fullscreen_button": False,
}
toc_object_entries_show_parents = "hide"

myst_enable_extensions = ["amsmath", "dollarmath", "colon_fence"]
myst_heading_anchors = 3
nb_execution_mode = "off"
nb_merge_streams = True
suppress_warnings = [
    "myst.header"
]  # tables of benchmarks begin with a heading of the third level

python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True
nitpick_ignore_regex = [  # names of other packages in signatures
    ("py:class", r"(diffrax|eqx|jax|np|optax|sympy)\..*"),
    (
        "py:class",
        r"Array|ArrayLike|Axes|Bool|Complex|DTypeLike|Float|FuncAnimation|Int|Mesh|Path|PathLike|PRNGKeyArray|PyTree",
    ),
]
