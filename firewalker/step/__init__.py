"""The step service: takes readings in, keeps days, shows leaderboards. Runs alone; meets the others only in protos."""
