"""Strategies, schedules, optimizers, callbacks and the functions that scripts and notebooks call."""
