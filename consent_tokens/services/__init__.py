"""The deeds, in the order in which they happen: admit, ask, answer, accept, dispatch, hear, end.

One module a deed, one transaction each (dispatch: two, with the line between them). A deed loads
values, lets the pure packages decide, saves, and records the event. It knows nothing of HTTP.
"""
