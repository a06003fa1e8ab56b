"""`python -m moat`: the command line."""

from moat.cli.main import main

if __name__ == "__main__":
    main()
