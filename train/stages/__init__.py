"""The stages of the recipe: what each learns, and how a run goes from one to the next."""
