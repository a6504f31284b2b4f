"""Lethe: the overview page. `streamlit run app.py` also imports this file, for the server that shows it and the other pages."""

if __name__ == "__main__":
    from components import layout, overview, tour, workspace_panel

    study = layout.begin("Lethe", "See which memories a language model will give up, which it will keep, and through which circuits.")
    known = overview.collect(study)
    overview.opening(known)
    overview.headline(known)
    overview.steps(known)
    try:
        tour.cards(tour.stops(study), study)
    except ValueError as error:
        layout.problem("The forget set cannot be read.", str(error))
    overview.methods(known)
    workspace_panel.show()
    layout.computed(overview.EXPLANATION, overview.record(study))
else:
    from streamlit import App

    from components import doors

    app = App("app.py", middleware=doors.middleware())
