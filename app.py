"""Lethe: the overview page."""


from components import layout, overview

study = layout.begin("Lethe", "See which memories a language model will give up, which it will keep, and through which circuits.")
state_of = overview.collect(study)
overview.headline(state_of)
overview.steps(state_of)
overview.takeaways(state_of)
