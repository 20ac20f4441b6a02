"""Tools that a model is taught to call by chatting: what they take, how a call is written, requests to learn them from."""
