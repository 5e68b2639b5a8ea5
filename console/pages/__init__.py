"""The console's pages: each builds itself from the read model and then follows the board."""
