"""The preference centre: settings of a recipient that apply to all merchants."""
