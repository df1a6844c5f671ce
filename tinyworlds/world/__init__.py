"""What is stepped: the frozen trio of networks, what it remembers, what it starts from, its file."""
