"""What applies policies to calls: the question at once, the answer while it comes."""
