"""The application: settings, the command line, and the wiring of all parts."""
