"""The contract, as a caller sees it: a real server, over a real socket."""
