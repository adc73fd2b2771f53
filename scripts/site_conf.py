"""Sphinx's settings for the site that `make docs` builds (see site_source.py)."""

project = "pose_estimation_ros"
author = copyright = "the pose_estimation_ros authors"
extensions = ["myst_parser", "sphinx_copybutton"]
html_theme = "furo"
html_title = project
html_show_sphinx = html_show_copyright = html_show_sourcelink = False
html_copy_source = False
myst_heading_anchors = 4
suppress_warnings = ["myst.header"]  # a page may begin its sections at any level
nitpicky = True
