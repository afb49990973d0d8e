"""The colours of all figures."""

EXCITES, INHIBITS = "#b2182b", "#2166ac"
TRUE, FORECAST = "#8c8c8c", "#d9601a"
BLUE, ORANGE, GREY = "#1f5fa8", FORECAST, "#666666"
COLOURS = [BLUE, ORANGE, "#3a8f4d", "#8a5ab5", "#b5485d", "#7a6a4f", "#4fa6b3", "#d4a72c", "#5b5b5b", "#e08bb3"]
"""One colour a group or model, repeated where there are more."""
