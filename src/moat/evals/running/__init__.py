"""What a run consists of: what is evaluated, its pace, its money, its sums."""
