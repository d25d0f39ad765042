"""Boards that are being watched in this process: who watches, what changed, and when they are told.

What a board says is decided in `domain`; how it looks on the wire in `rpc`.
"""
