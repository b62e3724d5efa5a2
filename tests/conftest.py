"""How much Hypothesis tries. `ci` is what every run uses; choose another with `--hypothesis-profile=NAME`."""

from hypothesis import settings

# The same examples in every run, so that a change is judged by itself and not by luck; `soak` is there to be lucky.
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("quick", settings.get_profile("ci"), max_examples=20)
settings.register_profile("soak", deadline=None, derandomize=False, print_blob=True, max_examples=10_000)
settings.load_profile("ci")
