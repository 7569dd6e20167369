"""Reading and writing records of one mapper, as generators of command batches."""
