"""Memorability as a measurement: signal detection with crossed effects of videos and participants."""
