"""The ablations of chapters 8 to 11: what they vary, an engine that trains many networks, and how they are judged."""
