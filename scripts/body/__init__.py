"""The base body, modelled in code: ``python -m scripts.body.build`` writes the asset that ``stages.conditions.body`` ships."""
