"""Events between the parts of a node and between nodes: the database is the truth, the bus is only speed."""
