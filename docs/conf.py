"""How the pages of docs/ become one static site; `make docs` builds it, decision 0023 says why so."""

import sys
from pathlib import Path

from archipel import __version__

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "_site"))

project = "Archipel"
release = version = __version__
project_copyright = "the authors of Archipel; Apache-2.0"
language = "en"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "gallery",
    "section_lists",
    "outside_links",
    "tutorial_page",
    "plain_docstrings",
    "mathml",
    "nothing_inline",
]
source_suffix = {".md": "markdown", ".py": "tutorial"}
exclude_patterns = ["conf.py", "_site"]
templates_path = ["_site/templates"]
suppress_warnings = ["ref.python"]  # a name in backticks that several modules have: the first is as good as any
show_warning_types = True

# Pages are read on a code host as well: plain Markdown, headings as anchors, formulas between dollars.
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
myst_dmath_double_inline = True

# Docstrings are plain sentences with names in backticks; a name there is a link wherever it can be one.
default_role = "py:obj"
highlight_language = "text"
add_module_names = False
autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_type_aliases = {name: name for name in ("Floats", "Ints", "Bools", "Complexes", "Body", "Requests", "Program")}
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
napoleon_numpy_docstring = False
napoleon_use_ivar = True
toc_object_entries = False  # every page would copy every class of every page: half of the time to build

# One site for everybody: from a folder, without a network, under a policy that refuses everything inline.
html_theme = "furo"
html_title = "Archipel"
html_static_path = ["_site/static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_show_search_summary = False
html_domain_indices = False
html_theme_options = {"navigation_with_keys": True, "footer_icons": []}
pygments_style = "friendly"
pygments_dark_style = "github-dark"
