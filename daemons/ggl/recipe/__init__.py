"""Component recipes: from a file somebody else wrote to the neutral units a host runs.

The way of a recipe, one module a step; everything is pure and nothing here knows the bus or a daemon::

    recipe = load.load_recipe(path)                                    # text -> model.Recipe, or model.RecipeError
    manifest = platform.require_manifest(recipe, platform.device_attributes(overrides))
    raw, warnings = lifecycle.select_lifecycle(recipe, manifest)       # the section meant for this device
    resolved, unresolved = variables.interpolate(raw, variables)       # {configuration:/port} -> 8080
    steps = lifecycle.parse_lifecycle(resolved, file=recipe.file)      # steps with types and defaults
    units = units.component_units(recipe, steps, root=root, user="ggc_user:ggc_group")

``version`` reads version numbers and requirements and is independent of the rest. Nothing is re-exported here, so that
a program imports only the steps it takes.
"""
