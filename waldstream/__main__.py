"""`python -m waldstream` is the command line, without the name of an installed script."""

from waldstream.cli import app

if __name__ == "__main__":
    app(prog_name="waldstream")
