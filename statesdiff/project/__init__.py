"""The course project: a complete example, what a submission must hold, and the program that grades it."""
