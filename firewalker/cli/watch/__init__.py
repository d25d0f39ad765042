"""`firewalker watch`: one user's live board in the terminal.

`board` is what a client knows of a board, `follow` keeps it current through lost connections and expired tokens,
`view` draws it, `command` runs the whole.
"""
