"""The ablations of chapters 8 to 11: what they vary, an engine that trains many small networks, and how it judges them."""
