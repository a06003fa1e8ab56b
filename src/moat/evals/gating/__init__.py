"""What a change of a project must be asked, and what came of it: from two states of its files to one verdict."""
