"""Responses of other software: jsPsych's data and long tables, read into annotations."""
