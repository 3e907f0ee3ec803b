"""Files: written in one step, and read without trusting whoever made them."""
