"""One lesson, from its source to a live adapter; and the models that learn it."""
