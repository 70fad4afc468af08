"""What the words mean before any network learns them: labels by hand, and the dictionary."""
