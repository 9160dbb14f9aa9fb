"""Admission: who may send, from which sender, and who decided it."""
