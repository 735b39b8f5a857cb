"""Electrical physics: true power flow of the whole network, and each cell's own network with its sensitivities."""
