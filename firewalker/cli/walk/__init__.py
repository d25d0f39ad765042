"""`firewalker walk`: simulated walkers, from sign-up to a ledger of what was acknowledged.

`gait` and `pedometer` make up the movement, `people` and `circles` who walks and who knows whom, `walker` streams it,
`ledger` and `meters` write down what became of it, `command` runs the whole.
"""
