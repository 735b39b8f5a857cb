"""Who decides: uncoordinated, alone, distributed, central, over the same twin."""
