"""Backend of a social step-counting app. Start with README.md in this folder."""
