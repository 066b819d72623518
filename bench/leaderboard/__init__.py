"""Every published result beside ours: examples are run, their figures kept, and one table made of them."""
