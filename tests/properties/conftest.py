from hypothesis import settings

# No deadline: a busy machine is no failure. Fewer examples than usual: walks are long.
settings.register_profile("properties", max_examples=60, deadline=None)
settings.load_profile("properties")
