"""`python -m firewalker.cli`, the same as the console script."""

from firewalker.cli import main

if __name__ == "__main__":
    main()
