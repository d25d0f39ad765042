"""The user service: accounts, sessions, profiles, friendships."""
