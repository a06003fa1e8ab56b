"""Where the house is put together: settings, wiring, plugins, and the life of `moat serve`."""
