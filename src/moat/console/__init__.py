"""The built web console is served from here. Comes later."""
