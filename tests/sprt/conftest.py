"""Laws are judged by what they say, never by the clock of a busy machine."""

from hypothesis import settings

settings.register_profile("statistics", deadline=None, max_examples=50)
settings.load_profile("statistics")
