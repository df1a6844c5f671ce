"""A plan for the minutes there are: sizes and updates of the three stages, from what this machine does."""
