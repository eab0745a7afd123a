"""`python -m lukhas` is the command line."""

from lukhas.cli.main import main

if __name__ == "__main__":
    main()
