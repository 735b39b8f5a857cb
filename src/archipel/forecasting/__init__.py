"""What is likely to come, from what was seen. `perfect` knows the future, `naive` knows only recent days."""

from archipel.forecasting.naive import LEVELS, naive, naive_quantiles
from archipel.forecasting.perfect import perfect
from archipel.model.weather import Weather

__all__ = ["LEVELS", "Weather", "naive", "naive_quantiles", "perfect"]
