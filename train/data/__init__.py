"""What is learned from: stores of pictures, views of them, the words that a step shows."""
