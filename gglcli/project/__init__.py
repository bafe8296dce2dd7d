"""From a developer's files to what a deployment needs: recipes, and artifacts by component and version.

``detect`` says what a path is and returns its components; ``gdk`` builds a GDK project; ``stage`` copies everything to
a directory the runtime can read; ``configuration`` reads ``--config``.
"""
